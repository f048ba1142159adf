"""A session in memory: the container's side is driven by the test."""

from __future__ import annotations

import os
import select
import socket
import threading
from typing import Iterator

import pytest

from conman_kernel.slots.attach import End, Outcome, Output


class MemorySession:
    """Implements the slot's ``Session``. ``say`` queues what ``receive`` gives; what is sent is found in ``fed``."""

    def __init__(self, *, terminal: bool = False, stdin_open: bool = True, room: int = 1 << 30) -> None:
        self.terminal = terminal
        self.stdin_open = stdin_open
        self.room = room
        self.fed = bytearray()
        self.stdin_closed = False
        self.sizes: list[tuple[int, int]] = []
        self.signals: list[int] = []
        self.changed = threading.Condition()
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)
        self._end: End | None = None
        self._full = os.eventfd(0, os.EFD_NONBLOCK)

    # What the attach plugin calls.

    def fileno(self) -> int:
        return self._ours.fileno()

    def receive(self) -> Output | End | None:
        if self._end is not None:
            return self._end
        try:
            packet = self._ours.recv(1 << 17)
        except BlockingIOError:
            return None
        if not packet:
            self._end = End(Outcome.LOST, "broken")
        elif packet[:1] == b"E":
            self._end = End(Outcome.EXITED)
        else:
            return Output(packet[0], packet[1:])
        return self._end

    def send(self, data: bytes) -> int:
        with self.changed:
            taken = min(len(data), self.room)
            self.fed += data[:taken]
            self.room -= taken
            if self.room == 0 and not self._readable():
                os.eventfd_write(self._full, 2**64 - 2)
            self.changed.notify_all()
        return taken

    def _readable(self) -> bool:
        return bool(select.select([self._full], [], [], 0)[0])

    def writable_fileno(self) -> int:
        return self._full

    def close_stdin(self) -> None:
        with self.changed:
            self.stdin_closed = True
            self.changed.notify_all()

    def resize(self, *, rows: int, columns: int) -> None:
        with self.changed:
            self.sizes.append((rows, columns))
            self.changed.notify_all()

    def signal(self, number: int) -> None:
        with self.changed:
            self.signals.append(number)
            self.changed.notify_all()

    # What the test calls.

    def say(self, data: bytes, stream: int = 1) -> None:
        for at in range(0, len(data), 65536):
            self._theirs.sendall(bytes((stream,)) + data[at:at + 65536])

    def exit(self) -> None:
        self._theirs.sendall(b"E")

    def lose(self) -> None:
        self._theirs.close()

    def more_room(self, room: int) -> None:
        with self.changed:
            self.room += room
            os.eventfd_read(self._full)

    def wait(self, fact) -> None:
        """Wait until ``fact()`` holds."""
        with self.changed:
            assert self.changed.wait_for(fact, 20)

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()
        os.close(self._full)


@pytest.fixture
def sessions() -> Iterator[list[MemorySession]]:
    """Sessions put in here are closed at the end."""
    made: list[MemorySession] = []
    yield made
    for session in made:
        session.close()


@pytest.fixture
def session(sessions):
    """Makes sessions: ``session(terminal=True)``."""
    def make(**wishes) -> MemorySession:
        sessions.append(MemorySession(**wishes))
        return sessions[-1]
    return make
