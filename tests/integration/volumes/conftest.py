"""A store with an image that has content, links and a ``VOLUME``; each test leaves no container and no volume."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import differences, look, processes, wait_gone
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image, directory, file, hardlink, layer, symlink, write_layout

CONTENT = layer([
    directory("data", mode=0o2750, uid=33, gid=44), file("data/a", b"hello", mode=0o640, uid=33, gid=55),
    hardlink("data/b", "data/a"), symlink("data/link", "a"), directory("data/sub", mode=0o700, uid=1, gid=2),
    symlink("out", "/etc"), symlink("up", "../../../../etc"), symlink("loop", "loop"), directory("empty", mode=0o1777, uid=7, gid=8),
    file("plain", b"x")])
"""``/out`` leads to ``/etc``: of the image, never of the host."""


def store_with(*layouts: Path) -> Command:
    """A store in memory that has an image of each layout, tagged ``one``, ``two``, ..., and has run the first."""
    command = Command(tempfile.mkdtemp(prefix="cv-", dir="/dev/shm"))
    for name, layout in zip(("one", "two"), layouts):
        id = command.ok("pull", "-q", f"oci:{layout}").strip()
        command.ok("tag", id, name)
    command.ok("run", "--rm", "--image-volume", "ignore", "one", "true")
    os.makedirs(f"{command.run_root}/unpack", exist_ok=True)  # of a commit: made at need, and kept
    assert wait_gone(set(processes(command.root, command.run_root)), 30.0)
    return command


@pytest.fixture(scope="session")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Layouts of two images: with content; the same with ``VOLUME /data /vol``."""
    folder = tmp_path_factory.mktemp("volumes")
    write_layout(busybox_image(extra=[CONTENT]), str(folder / "plain"))
    write_layout(busybox_image(extra=[CONTENT], config={"Volumes": {"/data": {}, "/vol": {}}}), str(folder / "declares"))
    return folder / "plain", folder / "declares"


@pytest.fixture(scope="session")
def shared_store(layouts: tuple[Path, Path]) -> Iterator[Command]:
    command = store_with(*layouts)
    yield command
    command.clear()
    shutil.rmtree(command.folder)


@pytest.fixture
def conman(shared_store: Command) -> Iterator[Command]:
    """The command. At the end all containers and volumes are removed, and nothing else may be left."""
    before = look(shared_store.root, shared_store.run_root)
    yield shared_store
    shared_store.clear()
    shared_store.ok("volume", "rm", "--all", "--force")
    left = differences(before, shared_store.root, shared_store.run_root)
    assert not left, "\n".join(left)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the host, in memory. What is mounted below it is unmounted at the end."""
    path = Path(tempfile.mkdtemp(prefix="cf-", dir="/dev/shm"))
    yield path
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in sorted((p for p in points if p == str(path) or p.startswith(f"{path}/")), reverse=True):
        subprocess.run(["umount", "-l", point], check=True)
    shutil.rmtree(path)


def volumes_of(conman: Command) -> list[str]:
    """The names of all volumes."""
    return conman.ok("volume", "ls", "-q").split()


def volume(conman: Command, name: str) -> dict[str, object]:
    """What ``volume inspect`` says."""
    found: dict[str, object] = json.loads(conman.ok("volume", "inspect", name))[0]
    return found


def place(conman: Command, name: str) -> Path:
    """The folder of a volume on the host."""
    return Path(str(volume(conman, name)["Mountpoint"]))
