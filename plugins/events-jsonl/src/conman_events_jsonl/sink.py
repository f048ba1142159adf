"""Writing: whole lines, one write(2) each, by any number of processes and threads at once."""

from __future__ import annotations

import errno
import fcntl
import os
from _thread import allocate_lock
from typing import TYPE_CHECKING, Iterator

from conman_kernel.errors import Unavailable

from . import files
from .lines import line_of

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel
    from conman_kernel.slots.events import EmitRequest, Event, ReadRequest
    from conman_kernel.slots.provider import Log

_RETRY_SECONDS = 0.001
"""Between two tries for a lock that another process holds for some microseconds: flock(2) has no deadline."""


class JsonLines:
    """An event sink and source over one folder. Opens its file with the first event.

    :param folder: made with the first event.
    :param max_size: bytes of a file after which the next is begun. ``files``: how many are kept.
    """

    def __init__(self, folder: str, *, max_size: int, files: int, log: Log) -> None:
        self._folder = folder
        self._max_size = max_size
        self._keep = max(1, files)
        self._log = log
        self._fd = -1
        self._writing = allocate_lock()

    def emit(self, request: EmitRequest) -> None:
        """Append one line. A power cut may lose the last ones, a killed process none that this returned for."""
        line = line_of(request.event)
        with self._writing:
            try:
                while not self._append(line, request.cancel):
                    self._let_go()
            except OSError as error:
                self._let_go()
                raise Unavailable(f"cannot write to {self._folder}: {error.strerror}") from None

    def read(self, request: ReadRequest) -> Iterator[Event]:
        """See :class:`~conman_kernel.slots.events.EventSource`."""
        from .reading import Reading

        if request.follow:
            self._make_folder()
        return Reading(self._folder, request, self._log).events()

    def close(self) -> None:
        """Close the file."""
        with self._writing:
            self._let_go()

    def _append(self, line: bytes, cancel: Cancel) -> bool:
        """Write it to the last file; False where that was sealed meanwhile, and another is the last."""
        if self._fd < 0:
            self._make_folder()
            self._fd = files.open_to_write(self._folder)
        self._lock(cancel)
        try:
            if files.is_sealed(self._fd):
                return False
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":
                line = b"\n" + line  # after one that a full disk cut short
            written = os.write(self._fd, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        if size + written >= self._max_size:
            self._begin_next()
        return True

    def _lock(self, cancel: Cancel) -> None:
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                cancel.wait_readable(timeout=_RETRY_SECONDS)
            else:
                return

    def _begin_next(self) -> None:
        """Seal the file, unless somebody writes just now: then the next event does it."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        files.seal(self._fd)  # twice is once
        self._let_go()  # and with it the lock
        self._fd = files.open_to_write(self._folder)
        files.drop_old(self._folder, self._keep)

    def _make_folder(self) -> None:
        try:
            os.mkdir(self._folder, 0o700)
        except FileExistsError:
            return
        except FileNotFoundError:
            missing = [self._folder]
            while not os.path.isdir(os.path.dirname(missing[-1])):
                missing.append(os.path.dirname(missing[-1]))
            for folder in reversed(missing):
                try:
                    os.mkdir(folder, 0o700)
                except FileExistsError:
                    continue  # another process was faster

    def _let_go(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
