"""The container's standard streams, as this shim holds them: what comes out, and what goes in."""

from __future__ import annotations

import os

from .loop import READ, WRITE, Loop
from .terminal import end_of_file

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from typing import Callable

PIECE = 64 * 1024
"""Bytes that are read at once: the most that a frame may carry."""

_FIONREAD = 0x541B
_TERMINAL_BACKLOG = 1024 * 1024
_RETRY_SECONDS = 0.02


class Output:
    """One output of the container: a pipe's reading end, or a terminal's master.

    :param sink: called with the stream's number and 1 byte to 64 KiB.
    """

    def __init__(self, loop: Loop, fd: int, stream: int, sink: Callable[[int, bytes], None], *, terminal: bool) -> None:
        self._loop = loop
        self.fd = fd
        self._stream = stream
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
        left = _TERMINAL_BACKLOG if self._terminal else _unread(self.fd)
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
        if self._take(PIECE) < 0:
            self.close()

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
        self._sink(self._stream, data)
        return len(data)


def _unread(fd: int) -> int:
    import fcntl
    import sys
    return int.from_bytes(fcntl.ioctl(fd, _FIONREAD, b"\0\0\0\0"), sys.byteorder)


class Input:
    """The container's standard input: a pipe's writing end, or a terminal's master (a duplicate of the output's).

    What is offered is queued without bound here; the window of the session bounds it (PROTOCOL.md, "Input window").

    :param consumed: called with the number of bytes that the process's side took, or that were thrown away.
    """

    def __init__(self, loop: Loop, fd: int, *, terminal: bool, consumed: Callable[[int], None]) -> None:
        self._loop = loop
        self._fd = fd
        self._terminal = terminal
        self._consumed = consumed
        self._queue: list[bytes] = []
        self._waiting = False
        self._ending = False
        self._last = b"\n"

    @property
    def open(self) -> bool:
        """False after the end of input, or once the process no longer reads."""
        return self._fd >= 0 and not self._ending

    def offer(self, data: bytes) -> None:
        """Queue bytes; they go as fast as the process takes them. After the end they are thrown away."""
        if not self.open:
            self._consumed(len(data))
            return
        self._queue.append(data)
        if not self._waiting:
            self._flush()

    def end(self) -> None:
        """The process sees the end of its input after all that was offered. May be called twice."""
        if self.open:
            self._ending = True
            if not self._waiting:
                self._flush()

    def close(self) -> None:
        """Throw the rest away. May be called twice."""
        if self._waiting:
            self._waiting = False
            self._loop.remove(self._fd)
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        left = sum(map(len, self._queue))
        self._queue.clear()
        if left:
            self._consumed(left)

    def _flush(self) -> None:
        taken = 0
        while self._queue and self._fd >= 0:
            data = self._queue[0]
            try:
                count = os.write(self._fd, data)
            except BlockingIOError:
                count = 0
            except OSError:  # EPIPE, EIO: nobody reads any more
                self.close()
                break
            taken += count
            if count < len(data):
                self._queue[0] = data[count:]
                self._wait()
                break
            self._queue.pop(0)
            self._last = data[-1:]
        if not self._queue and self._fd >= 0:
            if self._waiting:
                self._waiting = False
                self._loop.remove(self._fd)
            if self._ending:
                self._end_now()
        if taken:
            self._consumed(taken)  # last: whoever hears it may offer more

    def _wait(self) -> None:
        # Only while there is something to write: a pipe without reader is "ready" for ever.
        if not self._waiting:
            self._waiting = True
            self._loop.add(self._fd, WRITE, lambda events: self._flush())

    def _end_now(self) -> None:
        if not self._terminal:
            self.close()
            return
        try:
            character, edited = end_of_file(self._fd)
            # In a line that is being edited the first end-of-file character only hands over the line.
            again = edited and self._last not in (b"\n", character)
            os.write(self._fd, character * (2 if again else 1))
        except BlockingIOError:
            self._loop.after(_RETRY_SECONDS, self._end_now)
        except OSError:
            self.close()
        else:
            self._ending = False
            self._last = b"\n"
