"""The control channel of the tiny shim (``shim/PROTOCOL.md``, "Control channel"): what the kernel configures and says, and hears."""

from __future__ import annotations

import socket

PACKET = 192 * 1024


class Refused(Exception):
    """It cannot be; the kernel hears at which stage, and why."""

    def __init__(self, stage: str, text: str, status: int = -1) -> None:
        super().__init__(text)
        self.stage, self.status = stage, status


class Control:
    """One end of the channel.

    :ivar config: each key's values, in order.
    :ivar flowing: the process's output may be read.
    """

    def __init__(self, channel: socket.socket) -> None:
        self.channel: socket.socket | None = channel
        self.config: dict[bytes, list[bytes]] = {}
        self.configured = self.started = self.released = self.done = self.flowing = False

    def one(self, key: bytes, default: bytes = b"") -> bytes:
        return self.config.get(key, [default])[-1]

    def on(self, key: bytes) -> bool:
        return self.one(key) == b"1"

    def tell(self, name: bytes, **records: object) -> None:
        packet = name + b"\0"
        for key, value in records.items():
            packet += key.encode() + b"=" + (value if isinstance(value, bytes) else str(value).encode()) + b"\0"
        if self.channel is not None:
            try:
                self.channel.send(packet, socket.MSG_NOSIGNAL)
            except OSError:
                pass  # its end is seen where it is read

    def hear(self) -> None:
        """One packet of the control channel."""
        assert self.channel is not None
        try:
            packet = self.channel.recv(PACKET)
        except OSError:
            packet = b""
        if not packet:
            self.channel.close()
            self.channel = None
            return
        name, _, rest = packet.partition(b"\0")
        if name == b"config":
            more = False
            for record in rest.rstrip(b"\0").split(b"\0"):
                key, _, value = record.partition(b"=")
                more = more or (key, value) == (b"more", b"1")
                self.config.setdefault(key, []).append(value)
            self.configured = not more
        self.started = self.started or name in (b"started", b"release")
        self.flowing = self.flowing or self.started
        self.released = self.released or name == b"release"
        self.done = self.done or name == b"done"
