"""Reading and following, across files and processes: each event once, in the order in which they were written."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Iterator

from . import files
from .lines import event_of

if TYPE_CHECKING:
    from conman_kernel.slots.events import Event, ReadRequest
    from conman_kernel.slots.provider import Log
    from conman_kernel.support.inotify import Watch

_PIECE = 65536


class Reading:
    """One reader. Where it begins is fixed when it is made.

    :param folder: exists, where ``request.follow`` is set.
    """

    def __init__(self, folder: str, request: ReadRequest, log: Log) -> None:
        self._folder = folder
        self._request = request
        self._log = log
        self._fd = -1
        self._number = 0
        self._at = 0
        self._rest = b""
        self._watch: Watch | None = None
        try:
            if request.follow:
                from conman_kernel.support.inotify import IN_FOLDER, Watch

                self._watch = Watch(folder, IN_FOLDER)
            self._begin()
        except BaseException:
            self._close()
            raise

    def events(self) -> Iterator[Event]:
        """The events; waits for more where the request follows."""
        since, until = self._request.since_ns, self._request.until_ns
        try:
            while True:
                if self._watch is not None:
                    self._watch.clear()  # before the look, so that nothing after it is missed
                over = until is not None and time.time_ns() >= until
                for line in self._lines():
                    event = event_of(line)
                    if event is not None and (since is None or event.time_ns >= since) and \
                            (until is None or event.time_ns <= until):
                        yield event
                if over or self._watch is None:
                    return
                timeout = None if until is None else max(0.0, (until - time.time_ns()) / 1e9)
                self._request.cancel.wait_readable(self._watch.fileno(), timeout=timeout)
        finally:
            self._close()

    def _begin(self) -> None:
        there = files.numbers(self._folder)
        if self._request.since_ns is None and self._request.follow:
            if there and self._open(there[-1]):
                self._at = os.fstat(self._fd).st_size
            elif there:
                self._begin()  # it went just now: there are later ones
            return
        for number in there:
            try:
                written = os.stat(files.path(self._folder, number)).st_mtime_ns
            except FileNotFoundError:
                continue  # the oldest goes
            # Times are those of the processes that told; a minute is room for one that was slow to tell.
            if (number == there[-1] or written >= (self._request.since_ns or 0) - 60 * 10**9) and self._open(number):
                return

    def _lines(self) -> Iterator[bytes]:
        """All whole lines that are there by now, from file to file."""
        while self._fd >= 0 or self._next():
            there = files.numbers(self._folder)
            whole_file = files.is_sealed(self._fd) or (bool(there) and there[-1] > self._number)  # before it is read
            while piece := os.pread(self._fd, _PIECE, self._at):
                self._at += len(piece)
                *whole, self._rest = (self._rest + piece).split(b"\n")
                yield from filter(None, whole)
            if not whole_file or not self._next():
                return

    def _next(self) -> bool:
        """Go on with the next file, where there is one."""
        while later := [number for number in files.numbers(self._folder) if number > self._number]:
            if self._number and later[0] > self._number + 1:
                self._log.warning("events were rotated away before they could be shown: "
                                  "raise plugin.events-jsonl.files or max_size")
            if self._open(later[0]):
                return True
        return False

    def _open(self, number: int) -> bool:
        try:
            fd = os.open(files.path(self._folder, number), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False  # the oldest goes
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._number, self._at, self._rest = fd, number, 0, b""
        return True

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        if self._watch is not None:
            self._watch.close()
