"""A process that kills itself at its N-th change of the disk, so that a test can look at what every one of them leaves."""

from __future__ import annotations

import os
import signal
import sys

CHANGES = frozenset(("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"))
"""The audit events (https://docs.python.org/3/library/audit_events.html) that change a disk; opening to write does, too."""


class Dying:
    """Counts the changes that this process makes. One per process: what watches cannot be taken away again.

    :param limit: the change before which it kills itself; 0: never.
    :ivar count: how many there were.
    """

    def __init__(self, limit: int) -> None:
        self.count = 0
        self._limit = limit

    def tick(self) -> None:
        """Another change is about to be made, of a kind that is not seen from here."""
        self.count += 1
        if self.count == self._limit:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, *more: str) -> None:
        """Count from now on.

        :param more: further audit events that count.
        """
        events = CHANGES | set(more)

        def heard(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if event in events or writes:
                self.tick()

        sys.addaudithook(heard)
