"""What tests of the whole share: scratch space in memory, an image, a registry, a ``conman`` of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.docker_registry import DockerRegistry, missing
from conman_kernel.testing.images import busybox_image, write_layout
from conman_kernel.testing.registry import Registry

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
"""Where scratch folders lie: in memory where that is possible."""

PATIENCE = 120
"""Seconds after which a conman command counts as hung."""


def mounts_below(folder: Path) -> list[str]:
    """Mount points at or below ``folder``, deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return sorted((p for p in points if p == str(folder) or p.startswith(f"{folder}/")), reverse=True)


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A short-named folder in memory. What is mounted below it at the end is unmounted, and the test fails."""
    folder = Path(tempfile.mkdtemp(prefix="ct-", dir=MEMORY))
    yield folder
    left = mounts_below(folder)
    for point in left:
        subprocess.run(["umount", "-l", point], check=True)
    shutil.rmtree(folder)
    assert not left, f"left mounted: {left}"


@pytest.fixture(scope="session")
def busybox_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout folder with a runnable image, tagged ``latest``, made of the machine's busybox."""
    folder = tmp_path_factory.mktemp("busybox") / "layout"
    write_layout(busybox_image(), str(folder))
    return folder


@pytest.fixture(scope="session")
def box() -> Iterator[str]:
    """The reference (``127.0.0.1:PORT/box:latest``) of the busybox image on a loopback registry."""
    with Registry() as registry:
        registry.add_image(busybox_image(), "box:latest")
        yield f"{registry.host}/box:latest"


@pytest.fixture(scope="session")
def real_registry() -> Iterator[DockerRegistry]:
    """Debian's ``docker-registry`` with the busybox image as ``box:latest``; more goes in by ``push``."""
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    folder = Path(tempfile.mkdtemp(prefix="cr-", dir=MEMORY))
    write_layout(busybox_image(), str(folder / "layout"))
    with DockerRegistry(folder) as registry:
        registry.push(folder / "layout", "latest", "box:latest")
        yield registry
    shutil.rmtree(folder)


class Cli:
    """The installed ``conman`` command with a root of its own. Used as ``cli("run", "--rm", image, "true")``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.run_root = folder / "run"
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("CONMAN_")}
        self.environ.update(CONMAN_ROOT=str(self.root), CONMAN_RUN_ROOT=str(self.run_root), CONMAN_CONTAINERS_NETWORK="none",
                            XDG_CONFIG_HOME=str(folder / "config"))
        program = Path(sys.executable).with_name("conman")
        # An environment without the installed command (a checkout on sys.path) has the module.
        entry = ["-c", "import sys; from conman_kernel.cli.entry import main; sys.exit(main())"]
        self.program = [str(program)] if program.exists() else entry

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line."""
        return [*([sys.executable] if self.program[0] == "-c" else []), *self.program, *arguments]

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE,
                 **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end. A traceback is always a defect; the exit status is the test's affair."""
        done = subprocess.run(self.argv(*arguments), input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                              capture_output=True, text=True, timeout=timeout, env={**self.environ, **environ})
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ok(self, *arguments: str, stdin: str | None = None, **environ: str) -> str:
        """Run it, insist on success, return its output."""
        done = self(*arguments, stdin=stdin, timeout=PATIENCE, **environ)
        assert done.returncode == 0, f"conman {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def close(self) -> None:
        """Remove every container that is left."""
        if self.root.exists():
            left = self("ps", "-a", "-q", "--no-trunc").stdout.split()
            if left:
                self("rm", "--force", *left)


@pytest.fixture
def cli(scratch: Path) -> Iterator[Cli]:
    """A ``conman`` with an empty root in memory; its containers are removed at the end."""
    command = Cli(scratch)
    yield command
    command.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything under tests/integration is marked so, and needs root: that is a fact of the host, so it is said."""
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.integration)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root: mounts, namespaces and cgroups"))
