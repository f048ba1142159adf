"""The strangers: plugins of examples/, installed from their wheels into a clean environment beside conman[standard]."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, Mapping

import pytest

from conman_kernel.testing.command import PATIENCE

TOP = Path(__file__).resolve().parents[3]
STRANGERS = ("disk-storage", "plain-runtime", "roots-transport")
PREFIX = TOP / "build" / "strangers"


@pytest.fixture(scope="session")
def program() -> str:
    """The ``conman`` of the clean environment."""
    folders = [str(TOP / "examples" / name) for name in STRANGERS]
    subprocess.run([sys.executable, str(TOP / "tools" / "clean_environment.py"), str(PREFIX), *folders], check=True)
    return str(PREFIX / "bin" / "conman")


class Host:
    """A store and its ``conman.toml``: what differs between two hosts, or between a host today and tomorrow."""

    def __init__(self, folder: Path, program: str) -> None:
        self.folder, self.program = folder, program
        self.root, self.run_root = str(folder / "root"), str(folder / "run")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("CONMAN_", "PYTHON"))}
        self.environ = {**kept, "CONMAN_ROOT": self.root, "CONMAN_RUN_ROOT": self.run_root, "XDG_CONFIG_HOME": str(folder / "config"),
                        "CONMAN_CONTAINERS_NETWORK": "none"}
        self.configure("")

    def configure(self, text: str) -> None:
        """Write the whole configuration anew."""
        path = self.folder / "config" / "conman" / "conman.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def __call__(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run([self.program, *arguments], capture_output=True, text=True, timeout=PATIENCE, env=self.environ,
                              cwd=self.folder, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ok(self, *arguments: str, stdin: str | None = None) -> str:
        """Run it, insist on success, return its output."""
        done = self(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def fails(self, code: int, *arguments: str) -> str:
        """Run it, insist on that exit code; what it said."""
        done = self(*arguments)
        assert done.returncode == code, f"{' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stderr


@pytest.fixture
def host(scratch: Path, program: str) -> Iterator[Host]:
    """A host with an empty store, cleared in the end."""
    made = Host(scratch, program)
    yield made
    for id in made.ok("ps", "-aq").split():
        made("rm", "--force", "--time", "0", id)


Roots = Callable[[Mapping[str, bytes]], str]


@pytest.fixture
def roots(scratch: Path) -> Roots:
    """Make a folder of files; returns it."""

    def make(files: Mapping[str, bytes]) -> str:
        folder = scratch / "roots"
        folder.mkdir(exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        return str(folder)

    return make
