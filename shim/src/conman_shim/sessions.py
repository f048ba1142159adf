"""The attach socket: who may join, and who is joined (PROTOCOL.md, "Attach socket")."""

from __future__ import annotations

import _socket
import os
import sys

from . import frames
from .direct import DirectOutput
from .input import MOST_LYING, Input
from .loop import READ, Loop, Timer
from .session import Session
from .sockets import BoundSocket

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from .health import Health

MAX_STRANGERS = 8
"""Connections that have not said hello yet; further ones wait in the listen queue until one has."""

HELLO_SECONDS = 10.0
_RETRY_SECONDS = 0.5


class Container:
    """What a session may do to the container; the supervisor's :class:`~.process.Process` fills it in."""

    terminal: bool = False
    flowing: bool = False
    """Its output is read: who joins now may have missed something."""
    input: Input | None = None
    """Its standard input, kept open for sessions; None: there is none for them."""

    def resize(self, rows: int, columns: int) -> None:
        raise NotImplementedError

    def signal(self, number: int) -> None:
        raise NotImplementedError

    def press(self) -> None:
        """Sessions came, went or filled up: read on, or stop reading."""
        raise NotImplementedError

    health: Health | None = None
    """Its health check; None: it has none."""


class Sessions:
    """The sessions of one container.

    :param most: how many at once.
    :param stdin_once: input ends with the last session that feeds it, unless that detaches.
    :ivar bounded: False while what the pipes held at the process's end is given out.
    """

    def __init__(self, loop: Loop, container: Container, *, most: int, stdin_once: bool) -> None:
        self._loop = loop
        self._container = container
        self._most = most
        self._stdin_once = stdin_once
        self._strangers: dict[Session, Timer] = {}
        self._joined: list[Session] = []
        self._leaving: list[Session] = []
        self._listener: BoundSocket | None = None
        self._accepting = False
        self._over = ""
        self.bounded = True

    def listen(self, path: bytes) -> None:
        """Let clients come.

        :raises OSError: the socket cannot be bound.
        """
        self._listener = BoundSocket(path, _socket.SOCK_SEQPACKET)
        self._accept()

    def pushing_back(self, stream: int) -> bool:
        """The foreground session has more of this output to take than it may leave lying."""
        return any(session.full(stream) for session in self._joined)

    def only_pipe(self, stream: int) -> DirectOutput | None:
        """The passed pipe that this output can be spliced to: nobody else wants it."""
        takers = [session for session in self._joined if session.wants(stream)]
        direct = takers[0].direct(stream) if len(takers) == 1 else None
        return direct if direct is not None and direct.fd >= 0 and direct.spliced else None

    @property
    def empty(self) -> bool:
        """Nobody is joined, and nobody has to be told anything any more."""
        return not self._joined and not self._leaving

    def output(self, stream: int, data: bytes) -> None:
        """Give every session a piece of output."""
        for session in tuple(self._joined):
            session.output(stream, data, bounded=self.bounded)

    def ended(self, code: int) -> None:
        """All output was given: tell every session, and let each go once it has taken everything."""
        self._end(bytes((frames.EXITED, code)), "the process has ended")

    def failed(self, text: str) -> None:
        """There is no process, and there will be none."""
        reason = f"the process was not created: {text}"
        self._end(bytes((frames.DROPPED,)) + reason.encode()[:frames.PAYLOAD], reason)

    def _end(self, last: bytes, reason: str) -> None:
        self._over = reason
        for session in tuple(self._joined):
            self._joined.remove(session)
            self._leaving.append(session)
            session.finish(last, patient=session.foreground)
        for session in tuple(self._strangers):
            session.refuse(reason)

    def give_up(self) -> None:
        """Stop waiting for anybody."""
        for session in (*self._strangers, *self._joined, *self._leaving):
            session.close()

    def close(self) -> None:
        """Close everything and remove the socket."""
        self.give_up()
        if self._listener is not None:
            self._loop.remove(self._listener.fileno())
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        # Not listened to while too many have yet to say hello: further ones wait in the listen queue.
        accepting = len(self._strangers) < MAX_STRANGERS
        if self._listener is not None and accepting != self._accepting:
            self._accepting = accepting
            if accepting:
                self._loop.add(self._listener.fileno(), READ, self._connected)
            else:
                self._loop.remove(self._listener.fileno())

    def _connected(self, events: int) -> None:
        try:
            connection = None if self._listener is None else self._listener.accept()
        except OSError:  # no descriptor is free: it stays in the listen queue
            if self._listener is not None:
                self._loop.remove(self._listener.fileno())
                self._loop.after(_RETRY_SECONDS, self._again)
            return
        if connection is None:
            return
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        assert isinstance(credentials, bytes)
        if int.from_bytes(credentials[4:8], sys.byteorder) not in (0, os.geteuid()):
            connection.close()
            return
        session = Session(self._loop, connection, self)
        self._strangers[session] = self._loop.after(HELLO_SECONDS, session.close)
        self._accept()

    def _again(self) -> None:
        self._accepting = False
        self._accept()

    def hello(self, session: Session) -> None:
        """A stranger said what it wants: admit it or say why not."""
        if session not in self._strangers:
            return
        if session.version != frames.VERSION:
            session.refuse(f"version {session.version} of the attach socket is not known here")
        elif self._over:
            session.refuse(self._over)
        elif len(self._joined) + len(self._leaving) >= self._most:
            session.refuse(f"{self._most} sessions are attached, and there may be no more at once")
        else:
            self._admit(session)

    def _admit(self, session: Session) -> None:
        self._known(session)
        self._joined.append(session)
        container = self._container
        flags = container.terminal * frames.TERMINAL | (container.health is not None) * frames.CHECKS
        target = container.input
        if session.flags & frames.WANTS_STDIN and target is not None and target.open and target.lying < MOST_LYING:
            session.feeding = True
            flags |= frames.STDIN_OPEN
        if session.flags & frames.FOREGROUND and not container.flowing and not any(s.foreground for s in self._joined):
            session.foreground = True
            flags |= frames.IN_FOREGROUND
            if not container.terminal:
                flags |= session.take(target if session.feeding else None)
        session.welcome(flags)
        container.press()

    def _known(self, session: Session) -> None:
        timer = self._strangers.pop(session, None)
        if timer is not None:
            self._loop.cancel(timer)
            self._accept()

    def refused(self, session: Session) -> None:
        """It is on its way out with the reason."""
        self._known(session)
        if session in self._joined:
            self._joined.remove(session)
        self._leaving.append(session)
        self._left(session)

    def gone(self, session: Session) -> None:
        """Its connection is closed."""
        self._known(session)
        for group in (self._joined, self._leaving):
            if session in group:
                group.remove(session)
        self._left(session)

    def _left(self, session: Session) -> None:
        if session.feeding:
            session.feeding = False
            target = self._container.input
            last = not any(other.feeding for other in self._joined)
            if self._stdin_once and last and not session.detached and target is not None:
                target.end()
        self._container.press()

    def pressed(self) -> None:
        """A foreground session crossed a mark."""
        self._container.press()

    def received(self, session: Session, kind: int, payload: bytes) -> None:
        """A joined session said something. What is malformed or unknown is ignored (PROTOCOL.md, "Versions")."""
        if session not in self._joined:
            return
        target = self._container.input
        if kind == frames.STDIN and payload and session.feeding and target is not None:
            target.offer(payload, session)
        elif kind == frames.STDIN_END and session.feeding and target is not None:
            target.end()
        elif kind == frames.RESIZE and len(payload) >= 4:
            self._container.resize(int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))
        elif kind == frames.CHECK and self._container.health is not None:
            self._container.health.ask(session.checked)
        elif kind == frames.SIGNAL and len(payload) >= 1:
            self._container.signal(payload[0])
