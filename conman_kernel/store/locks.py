"""One lock per container: a byte of one file, locked as an open file description (``F_OFD_SETLK``, Linux 3.15).

The byte is the container's row number, which is never used again, so no lock file is ever made or unlinked per
container. Two threads of a process exclude each other like two processes do; a lock ends with its holder, however it dies.
"""

from __future__ import annotations

import fcntl
import os
import struct
from types import TracebackType
from typing import Collection

from ..cancel import Cancel
from ..errors import InvalidState
from .layout import Layout, unusable

_FLOCK = struct.Struct("hhqqi4x")
RETRY_SECONDS = 0.01
"""A lock has no descriptor to wait on: it is tried again this often until the deadline."""


class Lock:
    """A held lock; a context manager. Released once, by :meth:`release`, the end of the block, or the process's end."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def release(self) -> None:
        """Let go. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()


class Locks:
    """The containers' locks of one store. Several are taken in the order of their numbers, or not at all."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def try_acquire(self, number: int) -> Lock | None:
        """Take a container's lock, or return None where somebody holds it.

        :param number: the container's row number.
        :raises Unavailable: the file of the locks cannot be opened.
        """
        fd = self._open_file()
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0))
        except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        return Lock(fd)

    def acquire(self, number: int, cancel: Cancel | None = None) -> Lock:
        """Take a container's lock, waiting for whoever holds it.

        :raises Cancelled, DeadlineExceeded: while waiting.
        """
        lock = self.try_acquire(number)
        if lock is not None:
            return lock
        watch = cancel if cancel is not None else Cancel()
        while lock is None:
            watch.wait_readable(timeout=RETRY_SECONDS)
            lock = self.try_acquire(number)
        return lock

    def require(self, number: int, what: str) -> Lock:
        """Take a lock at once or not at all.

        :raises InvalidState: another command is at work on it.
        """
        lock = self.try_acquire(number)
        if lock is None:
            raise InvalidState(f"{what}: another command is at work on it", hint="wait for it to end, then try again")
        return lock

    def try_all(self, numbers: Collection[int]) -> Lock | int:
        """Take many containers' locks as one, or none of them.

        :returns: the lock, or the number of one that somebody holds.
        :raises Unavailable: as :meth:`try_acquire`.
        """
        fd = self._open_file()
        try:
            for number in sorted(numbers):
                try:
                    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0))
                except (BlockingIOError, PermissionError):
                    os.close(fd)
                    return number
        except BaseException:
            os.close(fd)
            raise
        return Lock(fd)

    def _open_file(self) -> int:
        path, flags = self._layout.locks, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            try:
                return os.open(path, flags, 0o600)
            except FileNotFoundError:
                self._layout.ensure(self._layout.root)
                return os.open(path, flags, 0o600)
        except OSError as error:
            raise unusable(path, error) from None
