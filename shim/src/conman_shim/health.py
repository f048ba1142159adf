"""Health checks: a command of the container's, run at intervals and judged (PROTOCOL.md, "Health"). Loaded only where one is."""

from __future__ import annotations

import os
import time

from .check import Check
from .config import Config
from .loop import Loop, Timer
from .spawn import spawn

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from typing import Callable

KEPT = 5
"""Checks that are kept."""


class Health:
    """The state of one container's health, and the timer that brings it up to date.

    :param notice: called with what is tolerated.
    """

    def __init__(self, loop: Loop, config: Config, notice: Callable[[str], None]) -> None:
        self._loop = loop
        self._config = config
        self._notice = notice
        self._check: Check | None = None
        self._next: Timer | None = None
        self._limit: Timer | None = None
        self._askers: list[Callable[[int, bytes], None]] = []
        self._log: list[bytes] = []
        self._status = b"starting"
        self._streak = 0
        self._begun = 0.0
        self._telling = 0
        self._untold = b""

    def begin(self) -> None:
        """The process runs from now on."""
        self._begun = time.monotonic()
        self._write()
        self._wait()

    def end(self) -> None:
        """The process has ended: nothing is checked any more, and a check that runs says nothing."""
        self._loop.cancel(self._next)
        self._loop.cancel(self._limit)
        check, self._check = self._check, None
        if check is not None:
            check.kill(b"")
            check.close()
        self._answer(2, b"the container has ended")
        self._begun = 0.0

    def ask(self, answer: Callable[[int, bytes], None]) -> None:
        """Check now; where a check is under way that is the one.

        :param answer: called with 0 (healthy), 1 (not), 2 (not checked), and what the check wrote.
        """
        if not self._begun:
            answer(2, b"the container does not run")
        elif self._paused():
            answer(2, b"the container is paused")
        else:
            self._askers.append(answer)
            if self._check is None:
                self._start()

    def reaped(self, ended: dict[int, int]) -> None:
        """Children of the shim have ended: pid -> wait status."""
        if self._telling in ended:
            self._telling = 0
            self._tell(b"")
        if self._check is not None:
            self._check.reaped(ended)

    def _wait(self) -> None:
        self._loop.cancel(self._next)
        if self._config.health_interval:
            self._next = self._loop.after(self._config.health_interval / 1000, self._due)

    def _due(self) -> None:
        if self._paused():
            self._wait()
        elif self._check is None:
            self._start()

    def _start(self) -> None:
        self._loop.cancel(self._next)
        try:
            self._check = Check(self._loop, self._config, self._judge)
        except OSError as error:
            self._record(time.time_ns(), time.monotonic(), -1, (error.strerror or str(error)).encode())
            return
        self._limit = self._loop.after(self._config.health_timeout / 1000, self._too_late)

    def _too_late(self) -> None:
        if self._check is None:
            return
        if self._paused():
            self._limit = self._loop.after(self._config.health_timeout / 1000, self._too_late)
            return
        self._check.kill(b"the health check took longer than %d ms\n" % self._config.health_timeout)

    def _judge(self, code: int, output: bytes) -> None:
        check, self._check = self._check, None
        self._loop.cancel(self._limit)
        if check is not None:
            self._record(check.began, check.began_here, code, output)

    def _record(self, began: int, began_here: float, code: int, output: bytes) -> None:
        before = self._status
        if code == 0:
            self._streak = 0
            self._status = b"healthy"
        elif self._status != b"starting" or (began_here - self._begun) * 1000 >= self._config.health_start_period:
            self._streak += 1
            if self._streak >= self._config.health_retries:
                self._status = b"unhealthy"
        self._log = [*self._log[1 - KEPT:], b"check=%d %d %d %s\n" % (began, time.time_ns(), code, output.hex().encode())]
        self._write()
        self._answer(0 if code == 0 else 1, output)
        if self._status != before:
            self._tell(self._status)
        self._wait()

    def _answer(self, verdict: int, output: bytes) -> None:
        askers, self._askers = self._askers, []
        for answer in askers:
            answer(verdict, output)

    def _write(self) -> None:
        path = self._config.health_file
        text = b"status=%s\nstreak=%d\n" % (self._status, self._streak) + b"".join(self._log)
        try:
            fd = os.open(path + b".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, text)
            finally:
                os.close(fd)
            os.rename(path + b".new", path)
        except OSError as error:
            self._notice(f"the health file could not be written: {error.strerror}")

    def _tell(self, status: bytes) -> None:
        """Run the command that is to hear of a change; one at a time, and then the latest."""
        self._untold = status or self._untold
        if not self._untold or self._telling or not self._config.health_changed:
            return
        status, self._untold = self._untold, b""
        try:
            self._telling = spawn([*self._config.health_changed, status], None, [])
        except OSError as error:
            self._notice(f"nobody was told that the container is {status.decode()}: {error.strerror}")

    def _paused(self) -> bool:
        """The container's cgroup is frozen: a check would hang, and say nothing of it."""
        for path in self._config.health_paused:
            try:
                with open(path, "rb", buffering=0) as file:
                    text = file.read(4096) or b""
            except OSError:
                continue  # no such hierarchy, or the cgroup is gone
            if text.strip() in (b"FROZEN", b"FREEZING") or b"frozen 1" in text:
                return True
        return False
