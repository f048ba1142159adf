"""Descriptors that a client passed: the shim carries the bytes of its pipes itself (PROTOCOL.md, "Descriptors")."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat

from .input import Input
from .loop import READ, WRITE, Loop
from .output import MOVE, PIECE, hung_up, unread
from .tee import load as load_tee

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from typing import Callable

_PIECES = 8
_REFUSALS = 3
"""How often in a row nothing may be teed although there is something, and room for it."""

_ACCESS = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)


def own(fd: int, number: int) -> int:
    """An open file of our own for a passed pipe: what flags the peer sets on his later changes nothing. -1: it cannot be used."""
    if not usable(fd, number):
        return -1
    try:
        return os.open(b"/proc/self/fd/%d" % fd, _ACCESS[number] | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1


def usable(fd: int, number: int) -> bool:
    """True for a pipe that can be read (``number`` 0) or written (1, 2) and does not block: a shim must never wait for one."""
    try:
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        pipe = stat.S_ISFIFO(os.fstat(fd).st_mode)
    except OSError:
        return False
    return pipe and bool(flags & os.O_NONBLOCK) and flags & os.O_ACCMODE in (_ACCESS[number], os.O_RDWR)


class DirectOutput:
    """The pipe that one output of the container goes to.

    What it does not take lies here, one piece at most: :attr:`full` then tells the container's side to wait.

    :param changed: called when :attr:`full` changed, or it was closed.
    :param broken: called, before that, with the errno when nobody takes anything any more. Then it is closed.
    """

    def __init__(self, loop: Loop, fd: int, *, changed: Callable[[], None], broken: Callable[[int], None]) -> None:
        self._loop = loop
        self.fd = fd
        self.full = False
        self.spliced = True
        """False once the kernel has refused to splice or tee here: bytes are read and written then."""
        self._tee = load_tee()
        self._refused = 0
        self._changed = changed
        self._broken = broken
        self._left: list[bytes] = []

    @property
    def drained(self) -> bool:
        """Everything lies in the pipe, or never will."""
        return not self._left

    def write(self, data: bytes) -> None:
        """Put it into the pipe; what does not fit follows as there is room. Thrown away once closed."""
        if self.fd < 0:
            return
        self._left.append(data)
        if not self.full:
            self._flush()

    def tee(self, source: int, size: int) -> int:
        """Put bytes of a pipe into this one, and leave them there.

        :returns: how many; 0: none now, or not yet, see :attr:`full`; -1: the source is at its end.
        """
        if self._tee is None:
            self.spliced = False
            self._changed()
            return 0
        count = self._tee(source, self.fd, size)
        if count >= 0:
            self._refused = 0
            return count or -1
        # What errno says cannot be had here. So each reason is looked for.
        over = hung_up(source)
        if not unread(source):
            return -1 if over else 0
        self._look()
        return 0

    def _look(self) -> None:
        """Why nothing was teed although there is something."""
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        events = sum(events for _, events in poll.poll(0))
        if events & select.POLLERR:
            self._end(errno.EPIPE)
        elif not events:
            self.wait()
        else:  # there is room: it came a moment ago, or the kernel (a seccomp filter) does not do it at all
            self._refused += 1
            if self._refused >= _REFUSALS:
                self.spliced = False
                self._changed()

    def wait(self) -> None:
        """Nothing fits now: be :attr:`full` until something does."""
        if not self.full and self.fd >= 0:
            self.full = True
            self._loop.add(self.fd, WRITE, lambda events: self._flush())
            self._changed()

    def fail(self, error: OSError) -> None:
        """Splicing failed: for good (EPIPE), or because the kernel cannot do it here."""
        if isinstance(error, BrokenPipeError):
            self._end(error.errno or 0)
        else:
            self.spliced = False
            self._changed()

    def close(self) -> None:
        """Let go at once, whatever lies here. May be called twice."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            self._loop.remove(fd)
            self._left.clear()
            self.full = False
            os.close(fd)

    def _flush(self) -> None:
        while self._left:
            data = self._left[0]
            try:
                count = os.write(self.fd, data)
            except BlockingIOError:
                self.wait()
                return
            except OSError as error:
                self._end(error.errno or 0)
                return
            if count < len(data):
                self._left[0] = data[count:]
            else:
                self._left.pop(0)
        if self.full:
            self.full = False
            self._loop.remove(self.fd)
            self._changed()

    def _end(self, number: int) -> None:
        self.close()
        self._broken(number)
        self._changed()


class DirectInput:
    """The pipe that feeds the container's standard input; its end is the end of input."""

    def __init__(self, loop: Loop, fd: int, target: Input) -> None:
        self._loop = loop
        self._fd = fd
        self._target = target
        self._spliced = True
        self._resume()

    def widen(self, count: int) -> None:
        """Bytes that were offered are taken: :meth:`_resume` comes anyhow."""

    def close(self) -> None:
        """Let go at once; what lies in the pipe stays there. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._loop.remove(fd)
            os.close(fd)

    def _resume(self) -> None:
        if self._fd < 0:
            return
        if not self._target.open:
            self.close()
        elif self._target.busy:
            self._target.when_room(self._resume)
        else:
            self._loop.add(self._fd, READ, self._readable)

    def _hold(self) -> None:
        # Not listened to meanwhile: a source that is readable while the process takes nothing would be a busy loop.
        self._loop.remove(self._fd)
        self._target.when_room(self._resume)

    def _readable(self, events: int) -> None:
        target = self._target
        for _ in range(_PIECES):
            if not target.open:
                self.close()
                return
            if target.busy:
                self._hold()
                return
            try:
                moved = self._move()
            except BlockingIOError:
                over = hung_up(self._fd)
                if unread(self._fd):
                    self._hold()
                elif over:
                    self.close()
                    target.end()
                return
            except BrokenPipeError:  # the process does not read any more
                target.close()
                self.close()
                return
            except OSError:
                if not self._spliced:
                    raise
                self._spliced = False  # the kernel cannot do it here
                return
            if not moved:
                self.close()
                target.end()
            if moved < PIECE:
                return

    def _move(self) -> int:
        if self._spliced:
            return os.splice(self._fd, self._target.fd, MOVE, flags=os.SPLICE_F_NONBLOCK)
        data = os.read(self._fd, PIECE)
        if data:
            self._target.offer(data, self)
        return len(data)
