"""What comes out of the container: one of its outputs, read and passed on, or moved along without being looked at."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import time

from .loop import READ, Loop

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from typing import Callable

    from .direct import DirectOutput

PIECE = 64 * 1024
"""Bytes that are read at once: the most that a frame may carry, and what fits the processor's caches."""

MOVE = 1024 * 1024
"""Bytes that are spliced at once: nothing is copied, so the caches do not matter."""

_FIONREAD = 0x541B
_TERMINAL_BACKLOG = 1024 * 1024
_PIECES = 8
"""Pieces that are taken before others get their turn: half a millisecond."""

_SECONDS = 0.002
"""Nor does it take longer: empty lines weigh forty times as much in a log."""


class Output:
    """One output of the container: a pipe's reading end, or a terminal's master.

    :param sink: called with the stream's number and 1 byte to 64 KiB.
    :ivar target: the pipe of the only session that wants the bytes: they go there without being copied. None: they are read.
    :ivar log: who gets them besides, called like ``sink``; None: nobody.
    """

    def __init__(self, loop: Loop, fd: int, stream: int, sink: Callable[[int, bytes], None], *, terminal: bool) -> None:
        self._loop = loop
        self.fd = fd
        self.stream = stream
        self.target: DirectOutput | None = None
        self.log: Callable[[int, bytes], None] | None = None
        self._sink = sink
        self._terminal = terminal
        self._reading = False

    def resume(self) -> None:
        """Begin, or go on, reading. May be called twice, and after the end."""
        if self.fd >= 0 and not self._reading:
            self._reading = True
            self._loop.add(self.fd, READ, self._readable)

    def pause(self) -> None:
        """Leave everything where it is; the container blocks once the pipe is full."""
        if self._reading:
            self._reading = False
            self._loop.remove(self.fd)

    def drain(self) -> None:
        """Take what the ended process left behind and close: others may hold the pipe and go on writing."""
        if self.fd < 0:
            return
        left = _TERMINAL_BACKLOG if self._terminal else unread(self.fd)
        while left > 0 and self.fd >= 0:
            taken = self._take(min(PIECE, left))
            if taken <= 0:
                break
            left -= taken
        self.close()

    def close(self) -> None:
        """May be called twice."""
        self.pause()
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def _readable(self, events: int) -> None:
        late = time.monotonic() + _SECONDS
        for _ in range(_PIECES):
            taken = self._take(PIECE) if self.target is None else self._pass_on(self.target)
            if taken < 0:
                self.close()
            if taken < PIECE or not self._reading or time.monotonic() > late:
                return

    def _take(self, size: int) -> int:
        """:returns: bytes taken; 0: nothing there now; -1: the end."""
        try:
            data = os.read(self.fd, size)
        except BlockingIOError:
            return 0
        except OSError:
            return -1  # EIO: no process has the terminal open any more
        if not data:
            return -1
        self._sink(self.stream, data)
        return len(data)

    def _pass_on(self, target: DirectOutput) -> int:
        """As :meth:`_take`, by splice(2); or by tee(2), and then they are read for the log."""
        if self.log is not None:
            return self._copy(target, self.log)
        try:
            return os.splice(self.fd, target.fd, MOVE, flags=os.SPLICE_F_NONBLOCK) or -1
        except BlockingIOError:
            # One error for three reasons. Waiting on the wrong side would be a busy loop.
            over = hung_up(self.fd)  # asked first: what was written before the end is then seen
            if unread(self.fd):
                target.wait()
            elif over:
                return -1
        except OSError as error:
            target.fail(error)
        return 0

    def _copy(self, target: DirectOutput, log: Callable[[int, bytes], None]) -> int:
        count = target.tee(self.fd, PIECE)
        if count > 0:
            log(self.stream, os.read(self.fd, count))  # just these: nobody else reads here
        return count


def hung_up(fd: int) -> bool:
    """Nobody can write into this pipe any more; what lies in it may still be read."""
    poll = select.poll()
    poll.register(fd, 0)
    return bool(poll.poll(0))


def unread(fd: int) -> int:
    """Bytes that lie in a pipe."""
    return int.from_bytes(fcntl.ioctl(fd, _FIONREAD, b"\0\0\0\0"), sys.byteorder)
