"""Throwaway distributions: real ``dist-info`` folders on ``sys.path``, real modules, found and loaded as any other."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.config import load
from conman_kernel.plugins import Plugins
from conman_kernel.store.layout import Layout

HEAD = """
from typing import NamedTuple
from conman_kernel import hookimpl
from conman_kernel.errors import InvalidState
from conman_kernel.slots.attach import API, End, Outcome
from conman_kernel.slots.provider import NoOptions, Provider, Unavailable, provider

class Thing:
    direct = False
    def run(self, request):
        return End(Outcome.EXITED)
    def echo(self, request):
        return ("ran", request)
"""

HOOK = """
@hookimpl
def conman_attach():
    return provider(api=API, summary="one line", options=NoOptions, open=lambda context: Thing())
"""

SOUND = HEAD + HOOK


class Site:
    """A folder of ``sys.path``."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder = folder
        self._prefix = prefix
        self.modules: list[str] = []

    def module(self, source: str, name: str = "") -> str:
        """Write a module; returns its name, unique in the process unless one is given."""
        name = name or f"{self._prefix}_{len(self.modules)}"
        (self.folder / f"{name}.py").write_text(source)
        self.modules.append(name)
        importlib.invalidate_caches()
        return name

    def metadata(self, distribution: str, entry_points: str | bytes | None, *, metadata: str | None = None,
                 version: str = "1.2") -> Path:
        """Write a ``dist-info`` folder."""
        folder = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        if metadata is None:
            metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        if metadata:
            (folder / "METADATA").write_text(metadata)
        if entry_points is not None:
            (folder / "entry_points.txt").write_bytes(entry_points if isinstance(entry_points, bytes) else entry_points.encode())
        return folder

    def ship(self, plugin: str, source: str = SOUND, *, group: str = "conman.attach", distribution: str = "",
             version: str = "1.2") -> str:
        """A whole distribution with one plugin; returns its module's name."""
        module = self.module(source)
        self.metadata(distribution or f"conman-{plugin}", f"[{group}]\n{plugin} = {module}\n", version=version)
        return module


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty folder in front of ``sys.path``; its modules are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    made = Site(folder, f"throwaway_{abs(hash(tmp_path)):x}")
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module that is rewritten within a second is read anew
    monkeypatch.delenv("CONMAN_TRACE", raising=False)
    yield made
    for name in made.modules:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


class Lines:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, message: str, *args: object) -> None:
        self.lines.append("debug: " + message % args)

    def info(self, message: str, *args: object) -> None:
        self.lines.append("info: " + message % args)

    def warning(self, message: str, *args: object) -> None:
        self.lines.append("warning: " + message % args)


Open = Callable[..., Plugins]


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    (tmp_path / "root").mkdir()
    return Layout(str(tmp_path / "root"), str(tmp_path / "run"))


@pytest.fixture
def plugins(tmp_path: Path, layout: Layout, log: Lines) -> Open:
    """Builds a :class:`Plugins`, each as a new command would, over one store and a ``conman.toml`` of this text."""

    def build(toml: str = "") -> Plugins:
        path = tmp_path / "conman.toml"
        path.write_text(toml)
        path.chmod(0o600)
        return Plugins(load(file=str(path), environ={}), layout, log)

    return build
