"""The process beside the tiny shim: its input, output and log, its signals and size (``shim/PROTOCOL.md``, "Life" and "Log")."""

from __future__ import annotations

import collections
import fcntl
import os
import socket
import struct
import termios
import time

from tiny_control import Control
from tiny_session import Session

PIECE = 65536
QUEUE = 1024 * 1024


class Process(Control):
    """Zero as pid: it is not there yet.

    :ivar outputs: stream number -> our end of it.
    :ivar input: what sessions sent and it has not taken.
    """

    def __init__(self, channel: socket.socket) -> None:
        super().__init__(channel)
        self.pid = 0
        self.reaped: dict[int, int] = {}
        self.outputs: dict[int, int] = {}
        self.stdin = -1
        self.input: collections.deque[tuple[Session | None, bytes]] = collections.deque()
        self.input_ends = self.line_open = False
        self.sessions: list[Session] = []
        self.log = -1
        self.early_signals: list[int] = []

    def read(self, fd: int) -> bytes:
        try:
            return os.read(fd, PIECE)
        except OSError:
            return b""

    def held(self, fd: int) -> bytes:
        """What a pipe or terminal holds now; others may go on writing."""
        size = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
        if self.on(b"terminal"):
            size = PIECE  # what is on its way through the line discipline is not counted
        data = b""
        while len(data) < size:
            more = self.read(fd)
            data += more
            if not more:
                break
        return data

    def readable(self, stream: int, fd: int) -> None:
        data = self.read(fd)
        if data:
            self.output(stream, data)
            return
        del self.outputs[stream]  # the end of it says nothing of the process
        if fd == self.stdin:
            self.stdin = -1
        os.close(fd)

    def output(self, stream: int, data: bytes) -> None:
        self.record(stream, data)
        for s in self.sessions:
            if stream not in s.streams or s.closing:
                continue
            s.say(0x82 + stream, data)
            if not s.foreground and s.queued > QUEUE:
                s.flush()
                if s.queued > QUEUE:
                    self.drop(s, "this session was dropped: it read too slowly")

    def drop(self, s: Session, why: str) -> None:
        s.queue.clear()
        s.say(0x86, why.encode())
        s.closing = True

    def record(self, stream: int, data: bytes) -> None:
        if self.log < 0:
            return
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}Z"
        head = f"{stamp} {'stdout' if stream == 1 else 'stderr'} ".encode()
        *lines, rest = data.split(b"\n")
        text = b"".join(head + b"F " + line + b"\n" for line in lines)
        text += head + b"P " + rest + b"\n" if rest else b""
        try:
            os.write(self.log, text)
        except OSError as error:
            self.tell(b"notice", text=f"log lost: {error.strerror}")

    def kill(self, number: int) -> None:
        if not self.pid or not self.flowing:
            self.early_signals.append(number)
        elif self.pid not in self.reaped and 0 < number < 65:
            os.kill(self.pid, number)

    def size(self, rows: int, columns: int, fd: int = -1) -> None:
        fd = fd if fd >= 0 else self.outputs.get(1, -1)
        self.config[b"rows"], self.config[b"columns"] = [b"%d" % rows], [b"%d" % columns]
        if self.on(b"terminal") and fd >= 0 and rows and columns:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def feed(self) -> None:
        while self.input:
            source, data = self.input.popleft()
            try:
                taken = os.write(self.stdin, data)
            except BlockingIOError:
                taken = 0
            except OSError:
                self.stop_input()
                return
            if taken:
                self.line_open = data[taken - 1] not in b"\r\n"
                if source in self.sessions and not source.closing:
                    source.window += taken
                    source.say(0x87, struct.pack("!I", taken))
            if taken < len(data):
                self.input.appendleft((source, data[taken:]))
                return
        if self.input_ends:
            self.stop_input()

    def stop_input(self) -> None:
        fd, self.stdin = self.stdin, -1
        self.input.clear()
        if fd < 0:
            return
        if not self.on(b"terminal"):
            os.close(fd)
        elif self.outputs.get(1) == fd and self.pid not in self.reaped:
            modes = termios.tcgetattr(fd)
            twice = self.line_open and modes[3] & termios.ICANON
            os.write(fd, modes[6][termios.VEOF] * (2 if twice else 1))

    def drain(self) -> None:
        """Give out what the pipes hold."""
        for stream, fd in list(self.outputs.items()):
            data = self.held(fd) if stream == 1 or self.pid else b""
            for at in range(0, len(data), PIECE):
                self.output(stream, data[at:at + PIECE])
        self.flowing = False
