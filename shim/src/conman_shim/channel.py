"""The control channel: packets of NUL-ended records to and from the kernel (PROTOCOL.md, "Control channel")."""

from __future__ import annotations

import _socket  # the C half alone: the pure half costs 1 MB of memory a container
import os

LARGEST = 192 * 1024
"""Bytes of the largest packet that is taken."""

_RIGHTS = 253
"""Most descriptors of one packet (unix(7), SCM_MAX_FD)."""


class Channel:
    """This shim's end. Sending to a kernel that is gone is no error: its end is noticed when receiving."""

    def __init__(self, fd: int) -> None:
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
        os.set_inheritable(fd, False)
        self.open = True
        self.held: list[int] = []
        """Descriptors that the kernel gave, to be open for as long as the process lives; none goes through an exec."""

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self, *, wait: bool = False) -> tuple[bytes, list[bytes]] | None:
        """The next message: its name and its records; None at the end, after which :attr:`open` is False.

        :param wait: block until there is one. Else call it only when the channel is readable.
        """
        try:
            packet = self._with_descriptors() if wait else self._socket.recv(LARGEST, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b"", []
        except OSError:
            packet = b""
        if not packet:
            self.open = False
            return None
        name, *records = packet.split(b"\0")
        return name, [r for r in records if r]

    def _with_descriptors(self) -> bytes:
        packet, ancillary, _, _ = self._socket.recvmsg(LARGEST, _socket.CMSG_SPACE(4 * _RIGHTS), _socket.MSG_CMSG_CLOEXEC)
        for level, kind, data in ancillary:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                self.held.extend(memoryview(data[:len(data) // 4 * 4]).cast("i").tolist())
        return packet

    def let_go(self) -> None:
        """Close what is held. May be called twice."""
        while self.held:
            os.close(self.held.pop())

    def send(self, name: bytes, **records: bytes | int) -> None:
        """Say something to the kernel."""
        if not self.open:
            return
        packet = name + b"\0"
        for key, value in records.items():
            raw = value.replace(b"\0", b" ") if isinstance(value, bytes) else b"%d" % value
            packet += key.encode() + b"=" + raw + b"\0"
        try:
            self._socket.send(packet, _socket.MSG_NOSIGNAL | _socket.MSG_DONTWAIT)
        except OSError:
            return  # gone, or not listening; either way it will not hear it, and the exit file holds what matters

    def close(self) -> None:
        """May be called twice."""
        self.open = False
        self._socket.close()
