"""Every test here leaves the store as it was; the store and the other fixtures are those of the folder above."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman, Container
from conman_kernel.testing.aftermath import differences, look
from conman_kernel.testing.command import Command

from . import facts
from .liars import LIARS, Liar

MEMORY = "/dev/shm"


@pytest.fixture(autouse=True)
def untouched(conman: Command) -> Iterator[None]:
    """Mounts, cgroups, processes, folders and rows after the test are as before; not what commands show of them, to be fast."""
    before = look(conman.root, conman.run_root)
    yield
    left = differences(before, conman.root, conman.run_root)
    if left:
        conman.clear()
    assert not left, "\n".join(left)


@pytest.fixture
def library(conman: Command) -> Iterator[Conman]:
    """The library on the same store, for what many calls of the command would take too long for."""
    with Conman(root=conman.root, run_root=conman.run_root, environ=conman.environ) as made:
        yield made


@pytest.fixture
def begin(conman: Command) -> Iterator[facts.Begin]:
    """Begins commands in the background; at the end of the test they are, whatever became of it."""
    begun: list[subprocess.Popen[bytes]] = []

    def make(*arguments: str, stdin: int = subprocess.DEVNULL, fds: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(conman.argv(*arguments), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env=conman.environ, process_group=0, pass_fds=fds))
        return begun[-1]

    yield make
    for process in begun:
        if process.poll() is None:
            process.kill()
        facts.finish(process)


@pytest.fixture
def lied_to(box: str) -> Iterator[Liar]:
    """Makes a store of its own whose shim breaks a promise; see ``tiny_shim/liars.py`` for which there are."""
    made: list[Command] = []

    def make(promise: str) -> Command:
        folder = Path(tempfile.mkdtemp(prefix="cx-", dir=MEMORY))
        (folder / "config/conman").mkdir(parents=True)
        command = json.dumps([sys.executable, str(LIARS), promise])
        (folder / "config/conman/conman.toml").write_text(f"[shim]\ncommand = {command}\n")
        made.append(Command(str(folder)))
        made[0].ok("pull", "-q", box)
        return made[0]

    yield make
    for command in made:
        command.clear()
        shutil.rmtree(command.folder)


@pytest.fixture
def host(conman: Command, library: Conman, image: str) -> Iterator[Container]:
    """A container that runs."""
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    yield library.containers.get("host")
    conman("rm", "-f", "-t", "0", "host")
