"""Deadlines and cancellation: one small token that every call which may block accepts.

A :class:`Cancel` combines "stop when I say so" with "stop after so many seconds". It has a descriptor, so that
a wait can watch it beside whatever it waits for; nothing in conman polls a flag in a loop.
"""

from __future__ import annotations

import os
import select
import time
from _thread import allocate_lock

from .errors import Cancelled, DeadlineExceeded

LONGEST_POLL = 86_400.0
"""Seconds of one poll(2), which counts milliseconds in an int: longer waits take several."""


class Cancel:
    """A cancel token with an optional deadline. Thread-safe; may be shared by many calls.

    :param timeout: seconds from now after which the work is to stop; None means never.
    """

    __slots__ = ("_cancelled", "_deadline", "_fd", "_making", "_wakeup", "reason")

    def __init__(self, timeout: float | None = None) -> None:
        self._fd = self._wakeup = -1
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._cancelled = False
        self._making = allocate_lock()
        self.reason = "cancelled"

    def cancel(self, reason: str = "cancelled") -> None:
        """Ask everything that watches this token to stop. May be called twice, from any thread or a signal handler."""
        self.reason = reason
        self._cancelled = True
        fd, wakeup = self._fd, self._wakeup  # once: close() in another thread may take them away between two looks
        if wakeup >= 0:
            try:
                os.write(wakeup, b"\0")
            except BlockingIOError:
                return  # full of signals: it is readable
        elif fd >= 0:
            os.eventfd_write(fd, 1)

    @property
    def cancelled(self) -> bool:
        """True once :meth:`cancel` was called. A passed deadline does not set it."""
        return self._cancelled

    def remaining(self) -> float | None:
        """Seconds until the deadline, at least 0.0; None where there is none."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Return if work may go on.

        :raises Cancelled: after :meth:`cancel`.
        :raises DeadlineExceeded: once the deadline has passed.
        """
        if self._wakeup >= 0 and not self._cancelled:
            self._clear()
        if self._cancelled:
            raise Cancelled(self.reason)
        if self._deadline is not None and time.monotonic() >= self._deadline:
            raise DeadlineExceeded("the deadline passed before the work was done")

    def _clear(self) -> None:
        """Take away what signals have written that cancelled nothing: nobody is to go round for it."""
        try:
            os.read(self._fd, 4096)
        except BlockingIOError:
            return
        if self._cancelled:  # just now: that was for everybody
            self.cancel(self.reason)

    def fileno(self) -> int:
        """A descriptor that becomes readable on :meth:`cancel` (not at the deadline). Never read from it."""
        # Two threads that ask first must get the same one, or cancel() would wake only the second. The lock is never
        # taken in cancel(), which a signal handler may call; hence the second look at the flag.
        with self._making:
            if self._fd < 0:
                self._fd = os.eventfd(1 if self._cancelled else 0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
                if self._cancelled:
                    os.eventfd_write(self._fd, 1)
        return self._fd

    def wakeup_fileno(self) -> int:
        """A descriptor for ``signal.set_wakeup_fd``, for a program whose signal handlers call :meth:`cancel`. A handler in Python
        runs only when a wait returns, and a signal that comes just before poll(2) does not make it return; a byte here does.

        To be asked for before :meth:`fileno` is.
        """
        with self._making:
            if self._wakeup < 0 and self._fd < 0:
                self._fd, self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        return self._wakeup

    def wait_readable(self, *fds: int, timeout: float | None = None) -> list[int]:
        """Wait until one of ``fds`` is readable (or at its end).

        :param timeout: seconds after which an empty list is returned; None waits for the token alone.
        :returns: the descriptors that are readable.
        :raises Cancelled: when the token fires first.
        :raises DeadlineExceeded: when its deadline passes first.
        """
        end = None if timeout is None else time.monotonic() + timeout
        own = self.fileno()
        poll = select.poll()
        poll.register(own, select.POLLIN)
        for fd in fds:
            poll.register(fd, select.POLLIN)
        while True:
            self.check()
            waits = [w for w in (self.remaining(), None if end is None else end - time.monotonic()) if w is not None]
            ready = poll.poll(None if not waits else min(max(0.0, min(waits)), LONGEST_POLL) * 1000 + 0.5)
            self.check()
            found = [fd for fd, _ in ready if fd != own]
            if found or (end is not None and time.monotonic() >= end):
                return found

    def close(self) -> None:
        """Give the descriptor back. The token goes on working; a later :meth:`fileno` makes a new one."""
        fds = self._fd, self._wakeup
        self._fd = self._wakeup = -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)

    def __enter__(self) -> Cancel:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
