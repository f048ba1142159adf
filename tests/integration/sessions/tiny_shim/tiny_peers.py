"""The sessions of the tiny shim (``shim/PROTOCOL.md``, "Attach socket")."""

from __future__ import annotations

import os
import socket
import struct

from tiny_process import PIECE, Process
from tiny_session import WINDOW, Session


class Peers(Process):
    """Those that are connected, and what each may do.

    :ivar code: how the process ended; -1: it has not.
    """

    def __init__(self, channel: socket.socket) -> None:
        super().__init__(channel)
        self.listener: socket.socket | None = None
        self.code = -1

    def accept(self) -> None:
        assert self.listener is not None
        link = self.listener.accept()[0]
        link.setblocking(False)
        uid = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if uid not in (0, os.getuid()):
            link.close()
            return
        self.sessions.append(Session(link))

    def serve(self, s: Session) -> None:
        try:
            frame = s.link.recv(1 + PIECE)
        except (BlockingIOError, ConnectionResetError):
            return  # reset: it has left with frames unread, and what it said is still there
        except OSError:
            frame = b""
        if not frame:
            self.lose(s)
            return
        kind, payload = frame[0], frame[1:]
        if not s.hello:
            if kind == 1 and len(payload) >= 2:
                self.welcome(s, payload[1])
        elif kind == 2 and s.feeds:
            s.window -= len(payload)
            if s.window < 0:
                self.drop(s, "this session was dropped: more input than its window")
                return
            self.input.append((s, payload))
        elif kind == 3 and s.feeds:
            self.input_ends = True
        elif kind == 4 and len(payload) >= 4:
            self.size(*struct.unpack("!HH", payload[:4]))
        elif kind == 5 and payload:
            self.kill(payload[0])
        elif kind == 6:
            self.lose(s, detached=True)

    def welcome(self, s: Session, flags: int) -> None:
        s.hello = True
        if sum(other.hello for other in self.sessions) > int(self.one(b"sessions", b"32")):  # those that are leaving, too
            s.say(0x82, b"too many sessions")
            s.closing = True
            return
        s.feeds = bool(flags & 1) and self.on(b"stdin") and not self.input_ends and (self.pid == 0 or self.stdin >= 0)
        s.streams = tuple(n for n in (1, 2) if flags & (2 << (n - 1)))
        s.foreground = bool(flags & 8) and not self.started and not any(o.foreground for o in self.sessions)
        s.say(0x81, struct.pack("!BBI", 1, self.on(b"terminal") | s.feeds << 1 | s.foreground << 2, WINDOW))
        if self.code >= 0:
            self.say_exited(s)

    def lose(self, s: Session, *, detached: bool = False) -> None:
        if s not in self.sessions:
            return
        s.link.close()
        self.sessions.remove(s)
        if s.feeds and not detached and self.on(b"stdin_once") and not any(o.feeds for o in self.sessions):
            self.input_ends = True

    def say_exited(self, s: Session) -> None:
        if s.hello:
            s.say(0x85, bytes((self.code,)))
        else:
            s.say(0x82, b"the process has ended")
        s.closing = True
