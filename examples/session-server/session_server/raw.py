"""The peer behind a taken-over connection: Docker's attach streams (Engine API, "Attach to a container", stream format)."""

from __future__ import annotations

import struct
from typing import Awaitable, Callable

from conman_kernel.slots.attach import End, Outcome, Output

from .http import Connection

RAW = "application/vnd.docker.raw-stream"
MULTIPLEXED = "application/vnd.docker.multiplexed-stream"

_PIECE = 64 * 1024
_SERVER_ERROR = 3
"""The fourth stream: the client prints it as the server's error and fails."""


def framed(stream: int, data: bytes) -> bytes:
    """One frame of the multiplexed stream: stream number, three zeros, length, data."""
    return struct.pack(">BxxxI", stream, len(data)) + data


class RawPeer:
    """A client that sends plain bytes and takes them plain (a terminal's) or framed."""

    def __init__(self, connection: Connection, *, terminal: bool, upgraded: bool) -> None:
        self._connection = connection
        self._terminal = terminal
        self._early = connection.take_over(RAW if terminal or not upgraded else MULTIPLEXED, upgraded=upgraded)

    async def receive(self) -> bytes | None:
        """What the client sends; None: it has half-closed."""
        early, self._early = self._early, b""
        return early or await self._connection.reader.read(_PIECE) or None

    async def send(self, output: Output) -> None:
        """Give output to the client; returns once it has taken enough of what came before."""
        self._connection.writer.write(output.data if self._terminal else framed(output.stream, output.data))
        await self._connection.writer.drain()

    async def gone(self) -> None:
        """Until the client has left; half-closing is not leaving."""
        await self._connection.gone()

    @property
    def is_gone(self) -> bool:
        """The client has left."""
        return self._connection.is_gone

    async def end(self, end: End, code: Callable[[], Awaitable[int]]) -> None:
        """Say how it ended, as far as this stream can: a lost session, by the error stream. Then the connection ends."""
        if end.outcome is Outcome.EXITED:
            await code()  # which is what clients ask for next
        elif not self._terminal:
            self._connection.writer.write(framed(_SERVER_ERROR, f"the session was lost: {end.message}".encode()))
        await self._connection.writer.drain()

    async def complain(self, message: str) -> None:
        """Say that nothing came of it."""
        await self.send(Output(2, message.encode() + b"\r\n"))
