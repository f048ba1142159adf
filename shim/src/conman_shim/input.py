"""What goes into the container: its standard input, shared by the sessions that feed it."""

from __future__ import annotations

import os

from .loop import WRITE, Loop
from .terminal import end_of_file

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from typing import Callable, Protocol

    class Feeder(Protocol):
        """Who hears that input which it sent was taken, or will never be."""

        def widen(self, count: int, /) -> None: ...

MOST_LYING = 4 * 1024 * 1024
"""Bytes of input that may lie here, their senders perhaps gone, before further sessions get none to feed."""


class Input:
    """The container's standard input: a pipe's writing end, or a terminal's master (a duplicate of the output's).

    What is offered before :meth:`begin` waits. It is queued without bound here; the windows of the sessions bound it
    (PROTOCOL.md, "Input window").
    """

    def __init__(self, loop: Loop, *, terminal: bool) -> None:
        self._loop = loop
        self.fd = -1
        self._terminal = terminal
        self._queue: list[tuple[Feeder | None, bytearray]] = []
        self._room: Callable[[], None] | None = None
        self._watching = self._ending = self._closed = False
        self._last = b"\n"

    @property
    def open(self) -> bool:
        """False after the end of input, or once the process no longer reads."""
        return not self._closed and not self._ending

    @property
    def busy(self) -> bool:
        """Bytes lie here that must go first."""
        return bool(self._queue) or self.fd < 0

    @property
    def lying(self) -> int:
        """Bytes that the process has not taken yet."""
        return sum(len(data) for _, data in self._queue)

    def begin(self, fd: int) -> None:
        """Here the bytes go. The descriptor is non-blocking, and ours from now on."""
        self.fd = fd
        self._flush()

    def offer(self, data: bytes, feeder: Feeder) -> None:
        """Queue bytes, at least one; they go as fast as the process takes them. After the end they are thrown away."""
        if not self.open:
            feeder.widen(len(data))
        elif self._queue and self._queue[-1][0] is feeder:
            self._queue[-1][1].extend(data)
        else:
            self._queue.append((feeder, bytearray(data)))
            if not self._watching:
                self._flush()

    def end(self) -> None:
        """The process sees the end of its input after all that was offered. May be called twice."""
        if self.open:
            self._ending = True
            if not self._watching:
                self._flush()

    def when_room(self, call: Callable[[], None]) -> None:
        """Call once when the queue is empty and the process takes more, or never will (:attr:`open` is False)."""
        self._room = call
        if self.fd >= 0:
            self._watch()

    def close(self) -> None:
        """Throw the rest away. May be called twice."""
        self._closed = True
        self._unwatch()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
        left, self._queue = self._queue, []
        for feeder, data in left:
            if feeder is not None:
                feeder.widen(len(data))
        self._told_of_room()

    def _flush(self) -> None:
        taken: list[tuple[Feeder, int]] = []
        while self._queue and self.fd >= 0:
            feeder, data = self._queue[0]
            try:
                count = os.write(self.fd, data)
            except BlockingIOError:
                break
            except OSError:  # EPIPE, EIO: nobody reads any more
                self.close()
                break
            if feeder is not None:
                taken.append((feeder, count))
            self._last = bytes(data[count - 1:count])
            if count == len(data):
                self._queue.pop(0)
            else:
                del data[:count]
        if self.fd >= 0:
            self._settle()
        for feeder, count in taken:
            feeder.widen(count)  # last: whoever hears it may offer more

    def _settle(self) -> None:
        if self._queue:
            self._watch()
            return
        self._unwatch()
        if self._ending:
            self._end_now()
        else:
            self._told_of_room()

    def _told_of_room(self) -> None:
        call, self._room = self._room, None
        if call is not None:
            call()

    def _watch(self) -> None:
        # Only while there is something to write: a pipe without reader is "ready" for ever.
        if not self._watching:
            self._watching = True
            self._loop.add(self.fd, WRITE, lambda events: self._flush())

    def _unwatch(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove(self.fd)

    def _end_now(self) -> None:
        if not self._terminal:
            self.close()
            return
        try:
            character, edited = end_of_file(self.fd)
        except OSError:
            self.close()
            return
        # In a line that is being edited the first end-of-file character only hands over the line.
        again = edited and self._last not in (b"\n", character)
        self._ending = False
        self._queue.append((None, bytearray(character * (2 if again else 1))))
        self._flush()
        self._last = b"\n"
