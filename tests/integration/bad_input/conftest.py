"""A store with an image per test file, a registry that lies on request, and the rule that bad input leaves nothing."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.testing.aftermath import differences, look
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image
from conman_kernel.testing.registry import Registry

MEMORY = "/dev/shm"


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry of the test's own."""
    with Registry() as made:
        made.add_image(busybox_image(), "box:latest")
        yield made


@pytest.fixture(scope="session")
def conman(box: str) -> Iterator[Command]:
    """The command, on a store that has an image and has run it once."""
    folder = tempfile.mkdtemp(prefix="cb-", dir=MEMORY)
    command = Command(folder)
    command.ok("pull", "-q", box)
    command.ok("run", "--rm", box, "true")
    yield command
    command.clear()
    shutil.rmtree(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A scratch folder in memory."""
    path = Path(tempfile.mkdtemp(prefix="cf-", dir=MEMORY))
    yield path
    shutil.rmtree(path)


Refused = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def refused(conman: Command) -> Iterator[Refused]:
    """Run what must fail: one ``Error:`` line, at most one ``Hint:`` line, the exit code, and nothing changed."""

    def run(code: int, *arguments: str, says: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        before = look(conman.root, conman.run_root)
        done = conman(*arguments, stdin=None, timeout=60, **environ)
        said = [line for line in done.stderr.splitlines() if not line.startswith(("Trying to pull", "Copying"))]
        assert done.returncode == code, (done.returncode, done.stderr)
        assert said and said[0].startswith("Error: ") and len(said[0]) > 15, done.stderr
        assert len(said) == 1 or (len(said) == 2 and said[1].startswith("Hint: ")), done.stderr
        assert says.lower() in done.stderr.lower(), done.stderr
        left = differences(before, conman.root, conman.run_root, 5)
        assert left == [], "\n".join(left)
        return done

    shown = conman.ok("ps", "-a", "-q"), conman.ok("images", "-q", "--no-trunc")
    yield run
    assert (conman.ok("ps", "-a", "-q"), conman.ok("images", "-q", "--no-trunc")) == shown
