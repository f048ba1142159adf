"""Packets on their way to one peer: sent at once, or kept in order until it takes them."""

from __future__ import annotations

import _socket

from . import frames


class Outbox:
    """What a peer has not taken yet.

    :ivar lying: bytes of it.
    """

    def __init__(self, connection: _socket.socket) -> None:
        self._connection = connection
        self._queue: list[tuple[bytes, bytes | bytearray]] = []
        self.lying = 0

    @property
    def empty(self) -> bool:
        return not self._queue

    def send(self, head: bytes, data: bytes) -> None:
        """Send one packet, or keep it. The data is not copied: many peers may be given the same.

        :raises OSError: the peer is gone.
        """
        if not self._queue:
            try:
                self._connection.sendmsg((head, data), (), _socket.MSG_NOSIGNAL)
                return
            except BlockingIOError:
                pass  # kept below
        self.lying += len(head) + len(data)
        if self._queue and head in (b"\x83", b"\x84"):
            last_head, last = self._queue[-1]
            if last_head == head and len(last) + len(data) <= frames.PAYLOAD:
                # A process that writes byte by byte must not cost a queue entry each: they weigh a hundred times that.
                self.lying -= len(head)
                if not isinstance(last, bytearray):
                    last = bytearray(last)
                    self._queue[-1] = (head, last)
                last += data
                return
        self._queue.append((head, data))

    def flush(self) -> None:
        """Send what the peer takes now.

        :raises OSError: the peer is gone.
        """
        done = 0
        try:
            for head, data in self._queue:
                self._connection.sendmsg((head, data), (), _socket.MSG_NOSIGNAL)
                done += 1
                self.lying -= len(head) + len(data)
        except BlockingIOError:
            pass  # the rest waits for the peer
        finally:
            del self._queue[:done]

    def clear(self) -> None:
        """Forget it all."""
        self._queue.clear()
        self.lying = 0
