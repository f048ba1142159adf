"""The library's own session: it waits for descriptors and never goes round for nothing."""

from __future__ import annotations

import os

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.containers.capture import exchange
from conman_kernel.errors import DeadlineExceeded
from conman_kernel.slots.attach import End, Output


class Deaf:
    """A session whose process reads nothing: no room, and the descriptor for room is one that is always readable."""

    terminal = False
    stdin_open = True

    def __init__(self) -> None:
        self.looked = 0
        self._quiet = os.eventfd(0, os.EFD_CLOEXEC)
        self._full = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        os.eventfd_write(self._full, 2**64 - 2)

    def fileno(self) -> int:
        return self._quiet

    def receive(self) -> Output | End | None:
        self.looked += 1
        return None

    def send(self, data: bytes) -> int:
        return 0

    def writable_fileno(self) -> int:
        return self._full

    def close_stdin(self) -> None:
        raise AssertionError("nothing was sent yet")

    def resize(self, *, rows: int, columns: int) -> None:
        raise NotImplementedError

    def signal(self, number: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        for fd in (self._quiet, self._full):
            os.close(fd)


def test_waiting_for_room_is_waiting() -> None:
    session = Deaf()
    with pytest.raises(DeadlineExceeded):
        exchange(session, b"x" * 100, Cancel(0.3))
    session.close()
    assert session.looked < 5
