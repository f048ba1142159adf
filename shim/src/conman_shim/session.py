"""One connection on the attach socket: its frames, what lies for it, its passed descriptors, its end."""

from __future__ import annotations

import _socket
import os
import sys

from . import frames
from .direct import DirectInput, DirectOutput, own
from .input import Input
from .loop import READ, WRITE, Loop
from .outbox import Outbox

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from .sessions import Sessions

WINDOW = 256 * 1024
"""Bytes of input that may be on their way: sent by the client, not yet taken by the container."""

QUEUE = 1024 * 1024
"""Bytes of output that a session may leave lying before it is dropped."""

HIGH, LOW = 256 * 1024, 64 * 1024
"""Marks of the foreground session: above the first it pushes back, below the second no longer."""

LINGER_SECONDS = 5.0
"""How long a session that is let go may take for what is left for it, unless it is the foreground's."""

_BATCH = 16
_FRAMES = {1: (frames.WANTS_STDOUT, bytes((frames.STDOUT,))), 2: (frames.WANTS_STDERR, bytes((frames.STDERR,)))}


class Session:
    """A client. Closed by itself when the peer is gone; then its owner hears of it.

    :ivar foreground: it pushes back instead of being dropped; set by the owner.
    :ivar feeding: it feeds the container's input; set by the owner.
    :ivar passed: descriptors that came with the hello and were neither taken nor closed yet.
    """

    def __init__(self, loop: Loop, connection: _socket.socket, owner: Sessions) -> None:
        self._loop = loop
        self._connection = connection
        self._owner = owner
        self._outbox = Outbox(connection)
        self._outputs: dict[int, DirectOutput] = {}
        self._source: DirectInput | None = None
        self._last = b""
        self._writing = self._finished = self._full = self._deaf = False
        self._owed = 0
        self._window = WINDOW
        self.flags = -1
        self.version = 0
        self.passed: list[int] = []
        self.detached = self.foreground = self.feeding = False
        loop.add(connection.fileno(), READ, self._ready)

    def wants(self, stream: int) -> bool:
        """This output is to be given to it."""
        return self.flags > 0 and bool(self.flags & _FRAMES[stream][0])

    def direct(self, stream: int) -> DirectOutput | None:
        """The pipe that it passed for this output; None: it gets it in frames, or not at all."""
        return self._outputs.get(stream)

    def full(self, stream: int) -> bool:
        """It pushes back on this output."""
        direct = self._outputs.get(stream)
        return direct.full if direct is not None else self._full and self.wants(stream)

    def take(self, target: Input | None) -> int:
        """Take the passed descriptors that can be used.

        :param target: where input goes; None: this session feeds none.
        :returns: the flags of the welcome that name them.
        """
        taken = 0
        announced = [number for number in (0, 1, 2) if self.flags & frames.PASSES[number]]
        if len(announced) == len(self.passed):
            for number, fd in zip(announced, tuple(self.passed)):
                ours = own(fd, number) if (target is not None if number == 0 else self.wants(number)) else -1
                if ours >= 0:
                    self._carry(number, ours, target)
                    taken |= frames.TOOK[number]
        return taken

    def welcome(self, flags: int) -> None:
        """Answer the hello. Descriptors that were not taken are closed."""
        self._close_passed()
        self._send(bytes((frames.WELCOME, frames.VERSION, flags)) + frames.number(WINDOW))

    def refuse(self, reason: str) -> None:
        """Answer it with a no, and let go."""
        self._owner.refused(self)
        self.finish(bytes((frames.REFUSED,)) + reason.encode())

    def output(self, stream: int, data: bytes, *, bounded: bool) -> None:
        """A piece of output, at most 64 KiB. May drop the session.

        :param bounded: False for what the pipes held at the process's end: no peer can have taken that in time.
        """
        wanted, head = _FRAMES[stream]
        if not self.flags & wanted:
            return
        direct = self._outputs.get(stream)
        if direct is not None:
            direct.write(data)
        elif bounded and not self.foreground and self._outbox.lying + len(data) > QUEUE:
            self.drop(f"this session was dropped: it left more than {QUEUE} bytes of output lying")
        else:
            self._send(head, data)

    def widen(self, count: int) -> None:
        """So much input was taken: the client may send as much again. Told in lumps, not for every key."""
        self._owed += count
        if self._owed >= WINDOW // 8 and not self._finished:
            self._window += self._owed
            self._send(bytes((frames.WINDOW,)) + frames.number(self._owed))
            self._owed = 0

    def checked(self, verdict: int, output: bytes) -> None:
        """Answer a question for the container's health."""
        if not self._finished:
            self._send(bytes((frames.CHECKED, verdict)), output)

    def drop(self, reason: str) -> None:
        """Let go now, with a reason."""
        self._outbox.clear()
        self._close_direct()
        self._owner.refused(self)
        self.finish(bytes((frames.DROPPED,)) + reason.encode())

    def finish(self, last: bytes, *, patient: bool = False) -> None:
        """Say one last thing after all that is left for it, then close.

        :param patient: wait for the peer as long as it is there.
        """
        if self._finished:
            return
        self._finished = True
        self._close_passed()
        self._last = last
        self._say_last()
        if not patient and self._connection.fileno() >= 0:
            self._loop.after(LINGER_SECONDS, self.close)

    def close(self) -> None:
        """May be called twice."""
        fd = self._connection.fileno()
        if fd >= 0:
            self._close_passed()
            self._close_direct()
            self._loop.remove(fd)
            self._swallow()
            self._connection.close()
            self._outbox.clear()
            self._owner.gone(self)

    def _carry(self, number: int, fd: int, target: Input | None) -> None:
        if number == 0:
            assert target is not None
            self._source = DirectInput(self._loop, fd, target)
        else:
            self._outputs[number] = DirectOutput(self._loop, fd, changed=self._direct_changed,
                                                 broken=lambda errno: self._broken(number, errno))

    def _broken(self, stream: int, errno: int) -> None:
        self._send(bytes((frames.BROKEN, stream)) + frames.number(errno))

    def _direct_changed(self) -> None:
        self._owner.pressed()
        self._say_last()

    def _say_last(self) -> None:
        if not self._last or not all(direct.drained for direct in self._outputs.values()):
            return
        last, self._last = self._last, b""
        self._close_direct()
        self._send(last)
        if self._outbox.empty:
            self.close()

    def _close_passed(self) -> None:
        while self.passed:
            os.close(self.passed.pop())

    def _close_direct(self) -> None:
        for direct in self._outputs.values():
            direct.close()
        if self._source is not None:
            self._source.close()

    def _swallow(self) -> None:
        # Closing with unread packets would make the peer's next receive fail (ECONNRESET) before it reads what is left.
        try:
            while self._connection.recv(1 + frames.PAYLOAD, _socket.MSG_DONTWAIT):
                pass
        except OSError:
            return

    def _send(self, head: bytes, data: bytes = b"") -> None:
        if self._connection.fileno() < 0 or self._deaf:
            return
        try:
            self._outbox.send(head, data)
        except OSError as error:
            self._unheard(error)
            return
        self._watch()

    def _unheard(self, error: OSError) -> None:
        """It cannot be told any more. Where the peer has left, what it said before, a detach maybe, is still to be read; then the
        end comes."""
        if not isinstance(error, (BrokenPipeError, ConnectionResetError)):
            self.close()
            return
        self._deaf = True
        self._outbox.clear()
        self._watch()
        if self._finished:
            self.close()

    def _watch(self) -> None:
        if self._writing == self._outbox.empty:
            self._writing = not self._outbox.empty
            self._loop.modify(self._connection.fileno(), READ | WRITE if self._writing else READ)
        full = self.foreground and self._outbox.lying > (LOW if self._full else HIGH)
        if full != self._full:
            self._full = full
            self._owner.pressed()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._write()
        if self._connection.fileno() >= 0 and events & ~WRITE:
            self._read()

    def _write(self) -> None:
        try:
            self._outbox.flush()
        except OSError as error:
            self._unheard(error)
            return
        self._watch()
        if self._finished and not self._last and self._outbox.empty:
            self.close()

    def _read(self) -> None:
        for _ in range(_BATCH):
            try:
                packet = self._connection.recv(1 + frames.PAYLOAD) if self.flags >= 0 else self._first()
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # the peer left with packets of ours unread: said once, and what it sent is still there
            except OSError:
                packet = b""
            if not packet:
                self.close()
                return
            self._heard(packet[0], packet[1:])
            if self._connection.fileno() < 0:
                return

    def _first(self) -> bytes:
        packet, ancillary, _, _ = self._connection.recvmsg(1 + frames.PAYLOAD, _socket.CMSG_SPACE(12), _socket.MSG_CMSG_CLOEXEC)
        for level, kind, data in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                self.passed += [int.from_bytes(data[at:at + 4], sys.byteorder) for at in range(0, len(data) - 3, 4)]
        if packet[:1] != bytes((frames.HELLO,)) or len(packet) < 3:
            self._close_passed()
        return packet

    def _heard(self, kind: int, payload: bytes) -> None:
        if self._finished:
            return
        if kind == frames.HELLO:
            if len(payload) >= 2 and self.flags < 0:
                self.version, self.flags = payload[0], payload[1]
                self._owner.hello(self)
        elif kind == frames.DETACH:
            self.detached = True
            self.close()
        else:
            if kind == frames.STDIN and self.feeding:
                self._window -= len(payload)
                if self._window < 0:
                    self.drop("this session was dropped: it sent more input than its window allows")
                    return
            self._owner.received(self, kind, payload)
