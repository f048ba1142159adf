"""One connection on the attach socket: its frames, its queue, its end."""

from __future__ import annotations

import _socket

from . import frames
from .loop import READ, WRITE, Loop

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


class Session:
    """A client. Closed by itself when the peer is gone; then its owner hears of it."""

    def __init__(self, loop: Loop, connection: _socket.socket, owner: Sessions) -> None:
        self._loop = loop
        self._connection = connection
        self._owner = owner
        self._queue: list[bytes] = []
        self._lying = 0
        self._writing = False
        self._finished = False
        self._owed = 0
        self._window = WINDOW
        self._flags = -1
        self.version = 0
        self.detached = False
        self.full = False
        loop.add(connection.fileno(), READ, self._ready)

    @property
    def foreground(self) -> bool:
        return self._flags > 0 and bool(self._flags & frames.FOREGROUND)

    @property
    def wants_stdin(self) -> bool:
        return self._flags > 0 and bool(self._flags & frames.WANTS_STDIN)

    def welcome(self, *, terminal: bool, stdin_open: bool) -> None:
        """Answer the hello."""
        flags = terminal * frames.TERMINAL | stdin_open * frames.STDIN_OPEN
        self._send(bytes((frames.WELCOME, frames.VERSION, flags)) + frames.number(WINDOW))

    def refuse(self, reason: str) -> None:
        """Answer it with a no, and let go."""
        self._owner.refused(self)
        self.finish(bytes((frames.REFUSED,)) + reason.encode())

    def output(self, stream: int, data: bytes) -> None:
        """A piece of output, at most 64 KiB. May drop the session."""
        if not self._flags & (frames.WANTS_STDOUT if stream == 1 else frames.WANTS_STDERR):
            return
        if not self.foreground and self._lying + len(data) > QUEUE:
            self._drop(f"this session was dropped: it left more than {QUEUE} bytes of output lying")
            return
        self._send(bytes((frames.STDOUT if stream == 1 else frames.STDERR,)), data)

    def widen(self, count: int) -> None:
        """So much input was taken: the client may send as much again. Told in lumps, not for every key."""
        self._owed += count
        if self._owed >= WINDOW // 8:
            self._window += self._owed
            self._send(bytes((frames.WINDOW,)) + frames.number(self._owed))
            self._owed = 0

    def finish(self, last: bytes, *, patient: bool = False) -> None:
        """Say one last thing after all that is queued, then close.

        :param patient: wait for the peer as long as it is there.
        """
        if self._finished:
            return
        self._finished = True
        self._send(last)
        if self._queue:
            if not patient:
                self._loop.after(LINGER_SECONDS, self.close)
        else:
            self.close()

    def close(self) -> None:
        """May be called twice."""
        fd = self._connection.fileno()
        if fd >= 0:
            self._loop.remove(fd)
            self._swallow()
            self._connection.close()
            self._queue.clear()
            self._owner.gone(self)

    def _drop(self, reason: str) -> None:
        self._queue.clear()
        self._lying = 0
        self._owner.refused(self)
        self.finish(bytes((frames.DROPPED,)) + reason.encode())

    def _swallow(self) -> None:
        # Closing with unread packets would make the peer's next receive fail (ECONNRESET) before it reads what is left.
        try:
            while self._connection.recv(1 + frames.PAYLOAD, _socket.MSG_DONTWAIT):
                pass
        except OSError:
            return

    def _send(self, frame: bytes, data: bytes = b"") -> None:
        if self._connection.fileno() < 0:
            return
        if not self._queue:
            try:
                self._connection.sendmsg((frame, data), (), _socket.MSG_NOSIGNAL)
                return
            except BlockingIOError:
                pass  # queued below
            except OSError:
                self.close()
                return
        frame += data
        self._queue.append(frame)
        self._lying += len(frame)
        self._watch()

    def _watch(self) -> None:
        if self._writing != bool(self._queue):
            self._writing = bool(self._queue)
            self._loop.modify(self._connection.fileno(), READ | WRITE if self._writing else READ)
        full = self.foreground and self._lying > (LOW if self.full else HIGH)
        if full != self.full:
            self.full = full
            self._owner.pressed()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._write()
        if self._connection.fileno() >= 0 and events & ~WRITE:
            self._read()

    def _write(self) -> None:
        done = 0
        try:
            for frame in self._queue:
                self._connection.send(frame, _socket.MSG_NOSIGNAL)
                done += 1
                self._lying -= len(frame)
        except BlockingIOError:
            pass  # the rest waits for the peer
        except OSError:
            self.close()
            return
        del self._queue[:done]
        self._watch()
        if self._finished and not self._queue:
            self.close()

    def _read(self) -> None:
        for _ in range(_BATCH):
            try:
                packet = self._connection.recv(1 + frames.PAYLOAD)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if not packet:
                self.close()
                return
            self._heard(packet[0], packet[1:])
            if self._connection.fileno() < 0:
                return

    def _heard(self, kind: int, payload: bytes) -> None:
        if self._finished:
            return
        if kind == frames.HELLO and len(payload) >= 2 and self._flags < 0:
            self.version, self._flags = payload[0], payload[1]
            self._owner.hello(self)
        elif kind == frames.DETACH:
            self.detached = True
            self.close()
        else:
            if kind == frames.STDIN:
                self._window -= len(payload)
                if self._window < 0:
                    self._drop("this session was dropped: it sent more input than its window allows")
                    return
            self._owner.received(self, kind, payload)
