"""Real terminals: the command under a shell that has one, and containers that have one."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.testing.command import Command, Terminal

SCRIPT = """trap : INT QUIT; ulimit -c 0; echo "before=$(stty -g)"; "$@"; echo "code=$?"; echo "after=$(stty -g)" """
# A shell that is not interactive leaves the terminal's mode alone; an interactive one would mend it. Ctrl-C is for the command.


@pytest.fixture(autouse=True)
def _clean(left_as_it_was: None) -> None:
    """Every test here leaves the store as it was."""


class Watched(Terminal):
    """A command below a shell on a terminal, which says the terminal's mode before and after."""

    def __init__(self, conman: Command, *arguments: str, rows: int = 24, columns: int = 80, wrap: tuple[str, ...] = ()) -> None:
        super().__init__(["/bin/sh", "-c", SCRIPT, "sh", *wrap, *conman.argv(*arguments)], conman.environ, rows, columns)

    @property
    def client(self) -> int:
        """The command's process id."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            return int(children.read().split()[0])

    def here(self, word: str = "here") -> None:
        """Have the shell in the container say something: then it is joined."""
        self.type(f"echo {word[:2]}''{word[2:]}\r".encode())
        self.expect(f"{word}\r\n".encode())

    def outcome(self) -> int:
        """Read to the end: the exit code as the shell has it.

        :raises AssertionError: the mode is not what it was.
        """
        self.wait()
        words = self.seen.decode(errors="replace")
        assert "after=" in words, words
        after = words.partition("after=")[2].split()[0]
        assert self.mode == after, words
        return int(words.partition("code=")[2].split()[0])

    def begun(self) -> None:
        """Read what the terminal's mode was at first."""
        self.mode = self.expect(b"\r\n").decode().strip().removeprefix("before=")


@pytest.fixture
def watched(conman: Command) -> Iterator[Callable[..., Watched]]:
    """Begin a command below a shell on a terminal; whatever is left of it is ended."""
    made: list[Watched] = []

    def begin(*arguments: str, **wishes) -> Watched:
        made.append(Watched(conman, *arguments, **wishes))
        made[-1].begun()
        return made[-1]

    yield begin
    for each in made:
        end(each)


@pytest.fixture
def bash(conman: Command, tmp_path: Path) -> Iterator[Terminal]:
    """A shell with job control on a terminal; ``conman`` is a program to it."""
    words = " ".join(f"'{word}'" for word in conman.argv())
    (tmp_path / "conman").write_text(f"#!/bin/sh\nexec {words} \"$@\"\n")
    (tmp_path / "conman").chmod(0o755)
    environ = {**conman.environ, "PS1": "ready> ", "TERM": "dumb", "PATH": f"{tmp_path}:{conman.environ['PATH']}"}
    shell = Terminal(["/bin/bash", "--norc", "--noprofile", "-i"], environ, 24, 80)
    shell.expect(b"ready> ")
    yield shell
    end(shell)


def end(terminal: Terminal) -> None:
    """Let a terminal go: whoever still sits at it gets SIGHUP."""
    try:
        os.close(terminal.fd)
    except OSError:
        return  # it was waited for
    ended = os.pidfd_open(terminal.pid)
    try:
        if not select.select([ended], [], [], 20)[0]:
            os.kill(terminal.pid, 9)
    finally:
        os.close(ended)
    os.waitpid(terminal.pid, 0)


@pytest.fixture
def host(conman: Command, image: str, gone: list[str]) -> str:
    """A container with a terminal and a shell that runs."""
    gone.append("host")
    conman.ok("run", "-dit", "--name", "host", image, "sh")
    return "host"


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Look again and again at what has no descriptor to wait on."""
    def wait(fact: Callable[[], object]) -> None:
        last = time.monotonic() + 20
        while not fact():
            assert time.monotonic() < last, "what the test waits for never came"
            select.select([], [], [], 0.02)
    return wait
