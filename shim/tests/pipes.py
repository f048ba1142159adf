"""What the tests of passed descriptors share: pipes of a caller, frames, the beginning of a session that passes some."""

from __future__ import annotations

import os
import select

STDIN, STDIN_END, SIGNAL = 2, 3, 5
STDOUT, STDERR, EXITED, WINDOW, BROKEN = 0x83, 0x84, 0x85, 0x87, 0x88
TERMINAL, FEEDS, IN_FOREGROUND, TOOK_STDIN, TOOK_STDOUT, TOOK_STDERR = 1, 2, 4, 8, 16, 32
FOREGROUND, PASS_STDIN, PASS_STDOUT, PASS_STDERR = 8, 16, 32, 64
BOTH = 6 | FOREGROUND
NO_LOG = "log_driver=none"


class Pipe:
    """A pipe of the caller's. ``given`` is what a client hands over: the shim's end, an open file of its own."""

    def __init__(self, *, to_shim: bool = False) -> None:
        self.reader, self.writer = os.pipe()
        self.name = os.readlink(f"/proc/self/fd/{self.reader}")
        kept, mode = (self.writer, os.O_RDONLY) if to_shim else (self.reader, os.O_WRONLY)
        self.given = os.open(f"/proc/self/fd/{kept}", mode | os.O_NONBLOCK)

    def hand_over(self) -> None:
        """Keep our own end only."""
        os.close(self.given)
        self.given = -1

    def close(self) -> None:
        for fd in (self.reader, self.writer, self.given):
            if fd >= 0:
                os.close(fd)
        self.reader = self.writer = self.given = -1

    def close_writer(self) -> None:
        os.close(self.writer)
        self.writer = -1

    def read(self, size: int) -> bytes:
        """So many bytes."""
        got = bytearray()
        while len(got) < size:
            got += self.some(min(1 << 20, size - len(got)))
        return bytes(got)

    def some(self, most: int) -> bytes:
        """What there is, at least one byte."""
        assert select.select([self.reader], [], [], 20)[0], "nothing came"
        data = os.read(self.reader, most)
        assert data
        return data


def begin(rig, script: str, flags: int, *fds: int, extra: tuple[str, ...] = (NO_LOG,)):
    """Create, join, start; the client and the flags of its welcome."""
    rig.configure(rig.runtime("sh", "-c", script), *extra)
    rig.created()
    client, welcome = rig.welcomed(flags, *fds)
    rig.say("started")
    return client, welcome
