"""A session in memory: the slot's ``Session``, with the container's side driven by a test.

::

    with MemorySession(terminal=True) as session:
        session.say(b"hello")
        session.exit()
        end = my_plugin.run(AttachRequest(session=session, ...))
"""

from __future__ import annotations

import os
import select
import socket
import threading
from typing import TYPE_CHECKING, Callable

from ..slots.attach import End, Outcome, Output

if TYPE_CHECKING:
    from types import TracebackType

_PATIENCE = 20.0
_PIECE = 64 * 1024


class MemorySession:
    """Implements :class:`conman_kernel.slots.attach.Session`; thread-safe.

    :param terminal: the process has a terminal. ``stdin_open``: it has an input, and this session may feed it.
    :param room: how many bytes the process takes before it reads again, see :meth:`more_room`.
    :ivar fed: what was sent. ``stdin_closed``: and its end.
    :ivar sizes: (rows, columns) of every resize. ``signals``: the numbers sent.
    """

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

    # What the attach plugin calls: documented at the protocol.

    def fileno(self) -> int:
        return self._ours.fileno()

    def receive(self) -> Output | End | None:
        if self._end is not None:
            return self._end
        try:
            packet = self._ours.recv(2 * _PIECE)
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
        """The process writes; waits while nobody receives."""
        for at in range(0, len(data), _PIECE):
            self._theirs.sendall(bytes((stream,)) + data[at:at + _PIECE])

    def exit(self) -> None:
        """The process ends, all its output was delivered."""
        self._theirs.sendall(b"E")

    def lose(self) -> None:
        """The connection breaks."""
        self._theirs.close()

    def more_room(self, room: int) -> None:
        """The process reads on, after it took all that there was room for."""
        with self.changed:
            self.room += room
            os.eventfd_read(self._full)

    def wait(self, fact: Callable[[], object]) -> None:
        """Wait until ``fact()`` holds; it is asked whenever the plugin has done something.

        :raises AssertionError: it never did.
        """
        with self.changed:
            assert self.changed.wait_for(fact, _PATIENCE), "what the test waits for never came"

    def close(self) -> None:
        """Give everything back. Once."""
        self._ours.close()
        self._theirs.close()
        os.close(self._full)

    def __enter__(self) -> MemorySession:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
