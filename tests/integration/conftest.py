"""What several folders share: a store with one image for their whole run, and the rule that a test leaves it as it was."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import differences, look, processes, wait_gone
from conman_kernel.testing.command import Command

MEMORY = "/dev/shm"


@pytest.fixture(scope="session")
def conman(box: str) -> Iterator[Command]:
    """The command, on a store that has the image :func:`image` and has run it once."""
    folder = tempfile.mkdtemp(prefix="cl-", dir=MEMORY)
    command = Command(folder)
    try:
        command.ok("pull", "-q", box)
        command.ok("run", "--rm", box, "true")
        # The shim was told that all is done, and ends by itself: no test is to find it there before it, and gone after.
        assert wait_gone(set(processes(command.root, command.run_root)), 30.0)
        yield command
    finally:
        command.clear()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image(box: str, conman: Command) -> str:
    """The image's name in that store."""
    return box


@pytest.fixture
def left_as_it_was(conman: Command) -> Iterator[None]:
    """Mounts, cgroups, processes, folders, ``ps -a`` and ``images`` after the test are as they were before."""
    before = look(conman.root, conman.run_root)
    shown = _shown(conman)
    yield
    # Looked at first: the commands that show things would clear them, too.
    left = differences(before, conman.root, conman.run_root)
    after = _shown(conman)
    if left:
        conman.clear()
    assert not left, "\n".join(left)
    assert after == shown


def _shown(conman: Command) -> tuple[str, str]:
    return conman.ok("ps", "-a", "-q", "--no-trunc"), conman.ok("images", "-q", "--no-trunc")


@pytest.fixture
def gone(conman: Command) -> Iterator[list[str]]:
    """Names put in here are removed by force at the end."""
    names: list[str] = []
    yield names
    for name in names:
        conman("rm", "--force", "--time", "0", name)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A scratch folder in memory."""
    path = Path(tempfile.mkdtemp(prefix="cf-", dir=MEMORY))
    yield path
    shutil.rmtree(path)
