"""Containers that are restarted: every test leaves the store as it was, waiters included."""

from __future__ import annotations

import os
import select
import signal
import sqlite3
import time
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command


@pytest.fixture(autouse=True)
def untouched(left_as_it_was: None) -> None:
    """See :func:`left_as_it_was`."""


class Loop:
    """One container with a policy, and the means to see it end and begin again without waiting for the clock.

    :param policy: of ``--restart``.
    :param script: what its shell runs; it says a line first.
    """

    def __init__(self, command: Command, image: str, policy: str, script: str) -> None:
        self.command = command
        self.id = command.ok("run", "-d", "--name", "loop", "--restart", policy, image, "sh", "-c", script).strip()
        self._follow = command.start("logs", "--follow", "loop")

    def line(self) -> str:
        """The next line of its log; empty once nothing more comes."""
        assert self._follow.stdout is not None
        return self._follow.stdout.readline().decode().strip()

    def state(self) -> dict[str, object]:
        found = self.command.inspect("loop")
        state = found["State"]
        assert isinstance(state, dict)
        return {**state, "Restarts": found["RestartCount"]}

    def crash(self) -> None:
        """Kill its process, not by conman."""
        pid = self.state()["Pid"]
        assert isinstance(pid, int) and pid > 1
        os.kill(pid, signal.SIGKILL)

    def column(self, name: str) -> object:
        with sqlite3.connect(self.command.root + "/index.db") as connection:
            found: object = connection.execute(f"SELECT {name} FROM containers WHERE id = ?", (self.id,)).fetchone()[0]
        connection.close()
        return found

    def patient(self) -> None:
        """Its next restart is waited for a minute."""
        with sqlite3.connect(self.command.root + "/index.db") as connection:
            connection.execute("UPDATE containers SET backoff = 60000 WHERE id = ?", (self.id,))
        connection.close()

    def crash_and_wait(self) -> int:
        """Crash it, and stay until a restart is waited for. Returns the waiter's pid."""
        self.patient()
        self.crash()
        end = time.monotonic() + 60
        while self.column("state") != "restarting":
            assert time.monotonic() < end
            select.select([], [], [], 0.01)
        assert self.state()["Status"] == "restarting"
        pid = self.column("shim_pid")
        assert isinstance(pid, int)
        return pid

    def close(self) -> None:
        self._follow.kill()
        self._follow.communicate()
        self.command("rm", "--force", "--time", "0", "loop")


class Loops:
    """Makes one; closed by the fixture."""

    def __init__(self, command: Command, image: str) -> None:
        self._command, self._image = command, image
        self.made: list[Loop] = []

    def __call__(self, policy: str, script: str = "echo run; exec sleep 1000") -> Loop:
        self.made.append(Loop(self._command, self._image, policy, script))
        return self.made[-1]


@pytest.fixture
def loop(conman: Command, image: str) -> Iterator[Loops]:
    loops = Loops(conman, image)
    yield loops
    for made in loops.made:
        made.close()
