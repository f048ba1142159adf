"""A running and a stopped container, whose trees a test lays out and looks at from the host."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command


class Inside:
    """A container and where its root is seen on the host."""

    def __init__(self, conman: Command, name: str, root: Path) -> None:
        self.conman = conman
        self.name = name
        self.root = root

    def at(self, path: str) -> str:
        """How ``cp`` calls a path of it."""
        return f"{self.name}:{path}"


def root_of(conman: Command, name: str) -> Path:
    """The root of a running container, through its process."""
    pid = json.loads(conman.ok("inspect", name))[0]["State"]["Pid"]
    return Path(f"/proc/{pid}/root")


@pytest.fixture(scope="module")
def running(conman: Command, image: str) -> Iterator[Inside]:
    """A container that runs."""
    conman.ok("run", "-d", "--name", "copies", image, "sleep", "100000")
    yield Inside(conman, "copies", root_of(conman, "copies"))
    conman("rm", "--force", "--time", "0", "copies")


@pytest.fixture
def stopped(conman: Command, image: str) -> Iterator[Inside]:
    """A container that never ran, mounted on the host."""
    conman.ok("create", "--name", "still", image, "true")
    yield Inside(conman, "still", Path(conman.ok("mount", "still").strip()))
    conman("unmount", "--force", "still")
    conman("rm", "--force", "still")


@pytest.fixture
def work(running: Inside) -> Iterator[Path]:
    """``/desk`` of the running container, seen from the host, empty."""
    path = running.root / "desk"
    path.mkdir()
    yield path
    shutil.rmtree(path)


@pytest.fixture(autouse=True)
def nothing_staged(conman: Command) -> Iterator[None]:
    """No test leaves a staging folder or a note of one behind."""
    yield
    left = [os.path.join(here, name) for top in (conman.root, conman.run_root) for here, folders, _ in os.walk(top)
            for name in folders if name.startswith(".conman-cp-")]
    assert left == []
    assert not os.path.exists(f"{conman.root}/copies")
