"""The attach socket: who may join, and who is joined (PROTOCOL.md, "Attach socket")."""

from __future__ import annotations

import _socket
import os
import sys

from . import frames
from .loop import READ, Loop
from .session import Session
from .sockets import BoundSocket

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from typing import Callable

MAX_SESSIONS = 1
MAX_STRANGERS = 8
"""Connections that have not said hello yet; further ones wait in the listen queue's place and are closed."""

HELLO_SECONDS = 10.0


class Container:
    """What a session may do to the container; the supervisor fills it in."""

    terminal: bool = False

    def stdin_open(self) -> bool:
        raise NotImplementedError

    def feed(self, data: bytes) -> None:
        raise NotImplementedError

    def end_input(self) -> None:
        raise NotImplementedError

    def resize(self, rows: int, columns: int) -> None:
        raise NotImplementedError

    def kill(self, number: int) -> None:
        raise NotImplementedError

    def session_left(self, *, detached: bool) -> None:
        raise NotImplementedError


class Sessions:
    """The sessions of one container.

    :param pressure: called when what the foreground session has not taken yet crosses a mark.
    """

    def __init__(self, loop: Loop, container: Container, pressure: Callable[[], None]) -> None:
        self._loop = loop
        self._container = container
        self._pressure = pressure
        self._strangers: list[Session] = []
        self._joined: list[Session] = []
        self._leaving: list[Session] = []
        self._feeder: Session | None = None
        self._listener: BoundSocket | None = None

    def listen(self, path: bytes) -> None:
        """Let clients come.

        :raises OSError: the socket cannot be bound.
        """
        self._listener = BoundSocket(path, _socket.SOCK_SEQPACKET)
        self._loop.add(self._listener.fileno(), READ, self._connected)

    @property
    def pushing_back(self) -> bool:
        """The foreground session has more to take than it may leave lying."""
        return any(session.full for session in self._joined)

    @property
    def empty(self) -> bool:
        """Nobody is joined, and nobody has to be told anything any more."""
        return not self._joined and not self._leaving

    def output(self, stream: int, data: bytes) -> None:
        """Give every session a piece of output."""
        for session in tuple(self._joined):
            session.output(stream, data)

    def consumed(self, count: int) -> None:
        """The container took (or will never take) this much of what the feeding session sent."""
        if self._feeder is not None:
            self._feeder.widen(count)

    def ended(self, code: int) -> None:
        """All output was given: tell every session, and let each go once it has taken everything."""
        for session in tuple(self._joined):
            self._joined.remove(session)
            self._leaving.append(session)
            session.finish(bytes((frames.EXITED, code)), patient=session.foreground)
        for session in tuple(self._strangers):
            session.refuse("the process has ended")

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

    def _connected(self, events: int) -> None:
        connection = None if self._listener is None else self._listener.accept()
        if connection is None:
            return
        credentials = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
        assert isinstance(credentials, bytes)
        uid = int.from_bytes(credentials[4:8], sys.byteorder)
        if uid not in (0, os.geteuid()) or len(self._strangers) >= MAX_STRANGERS:
            connection.close()
            return
        session = Session(self._loop, connection, self)
        self._strangers.append(session)
        self._loop.after(HELLO_SECONDS, lambda: session.close() if session in self._strangers else None)

    def hello(self, session: Session) -> None:
        """A stranger said what it wants: admit it or say why not."""
        if session not in self._strangers:
            return
        if session.version != frames.VERSION:
            session.refuse(f"version {session.version} of the attach socket is not known here")
        elif len(self._joined) >= MAX_SESSIONS:
            session.refuse("another session is attached, and this shim takes one at a time")
        else:
            self._strangers.remove(session)
            self._joined.append(session)
            fed = session.wants_stdin and self._container.stdin_open() and self._feeder is None
            if fed:
                self._feeder = session
            session.welcome(terminal=self._container.terminal, stdin_open=fed)

    def refused(self, session: Session) -> None:
        """It is on its way out with the reason."""
        for group in (self._strangers, self._joined):
            if session in group:
                group.remove(session)
                self._leaving.append(session)
        self._left(session)

    def gone(self, session: Session) -> None:
        """Its connection is closed."""
        for group in (self._strangers, self._joined, self._leaving):
            if session in group:
                group.remove(session)
        self._left(session)

    def _left(self, session: Session) -> None:
        if session is self._feeder:
            self._feeder = None
            self._container.session_left(detached=session.detached)
        self._pressure()

    def pressed(self) -> None:
        """A foreground session crossed a mark."""
        self._pressure()

    def received(self, session: Session, kind: int, payload: bytes) -> None:
        """A joined session said something. What is malformed or unknown is ignored (PROTOCOL.md, "Versions")."""
        if session not in self._joined:
            return
        if kind == frames.STDIN and session is self._feeder:
            self._container.feed(payload)
        elif kind == frames.STDIN_END and session is self._feeder:
            self._container.end_input()
        elif kind == frames.RESIZE and len(payload) >= 4:
            self._container.resize(int.from_bytes(payload[:2], "big"), int.from_bytes(payload[2:4], "big"))
        elif kind == frames.SIGNAL and len(payload) >= 1:
            self._container.kill(payload[0])
