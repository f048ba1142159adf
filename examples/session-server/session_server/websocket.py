"""The peer behind a WebSocket (RFC 6455; wsproto knows the protocol), in one of two forms.

*Docker's* (Engine API, "Attach to a container via a websocket"), without a subprotocol: binary messages are plain bytes both
ways, stdout and stderr together. *Kubernetes'*, for a client that offers ``v5.channel.k8s.io`` or ``v4.channel.k8s.io``: the
first byte of a binary message is a channel: 0 stdin, 1 stdout, 2 stderr, 3 how it ended (a ``Status`` document), 4 the
terminal's size (``{"Width": 80, "Height": 24}``); version 5 has 255, whose next byte is the channel that is closed: 0
half-closes stdin.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Awaitable, Callable

from wsproto import ConnectionType, WSConnection, events
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from conman_kernel.slots.attach import End, Outcome, Output

from .http import Connection, Refused, Request

CHANNELS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN, _STATUS, _SIZE, _CLOSE = 0, 3, 4, 255
_CONTROL_BYTES = 1024
_GOODBYE_SECONDS = 5.0


class WebSocketPeer:
    """A client on a WebSocket. Make it with :meth:`accept`."""

    def __init__(self, connection: Connection, ws: WSConnection, protocol: str) -> None:
        self._connection = connection
        self._ws = ws
        self._channels = protocol in CHANNELS
        self._halves = protocol == CHANNELS[0]
        self._channel = -1  # of the message that is arriving
        self._control = b""
        self._arrived: deque[bytes | tuple[int, int] | None] = deque()
        self._closed = asyncio.Event()

    @classmethod
    async def accept(cls, connection: Connection, request: Request) -> WebSocketPeer:
        """Answer the client's handshake.

        :raises Refused: it is none.
        """
        ws = WSConnection(ConnectionType.SERVER)
        try:
            ws.initiate_upgrade_connection(list(request.headers), request.target)
            asked = next(ws.events())
        except (LocalProtocolError, RemoteProtocolError) as error:
            raise Refused(400, f"this is no WebSocket handshake: {error}") from None
        if not isinstance(asked, events.Request):
            raise Refused(400, "this is no WebSocket handshake")
        protocol = next((name for name in CHANNELS if name in asked.subprotocols), "")
        early = connection.taken_over()
        made = cls(connection, ws, protocol)
        await made._send(events.AcceptConnection(subprotocol=protocol or None))
        if early:
            await made._take(early)
        return made

    async def receive(self) -> bytes | tuple[int, int] | None:
        """Bytes for standard input, the terminal's new size, or None: it half-closed.

        :raises ConnectionError: it has left, or broke the protocol.
        """
        while not self._arrived:
            if self._closed.is_set():
                raise ConnectionError("the client has left")
            await self._take(await self._connection.reader.read(64 * 1024))
        return self._arrived.popleft()

    async def send(self, output: Output) -> None:
        """Give output to the client; returns once it has taken enough of what came before."""
        await self._send(events.BytesMessage(bytes((output.stream,)) + output.data if self._channels else output.data))

    async def gone(self) -> None:
        """Until the client has left, by a close frame or without."""
        broken, closed = asyncio.ensure_future(self._connection.gone()), asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((broken, closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            broken.cancel()
            closed.cancel()

    @property
    def is_gone(self) -> bool:
        """The client has left."""
        return self._closed.is_set() or self._connection.is_gone

    async def end(self, end: End, code: Callable[[], Awaitable[int]]) -> None:
        """Say how it ended: a Status on its channel, where there are channels; then the close frame, 1011 for a lost session."""
        lost = end.outcome is Outcome.LOST
        if self._channels:
            status = _failure(end.message) if lost else _status(await code())
            await self._send(events.BytesMessage(bytes((_STATUS,)) + json.dumps({"metadata": {}, **status}).encode()))
        reason = CloseReason.INTERNAL_ERROR if lost else CloseReason.NORMAL_CLOSURE
        await self._send(events.CloseConnection(reason, end.message.encode()[:120].decode("utf-8", "ignore")))
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                while not self._closed.is_set():
                    self._arrived.clear()
                    await self._take(await self._connection.reader.read(64 * 1024))
        except (TimeoutError, ConnectionError):
            return  # a client that does not say goodbye is left, too

    async def _send(self, event: events.Event) -> None:
        try:
            self._connection.writer.write(self._ws.send(event))
        except LocalProtocolError:
            raise ConnectionError("the WebSocket is closed") from None
        await self._connection.writer.drain()

    async def _take(self, data: bytes) -> None:
        try:
            self._ws.receive_data(data or None)
            for event in self._ws.events():
                if isinstance(event, events.BytesMessage):
                    self._message(bytes(event.data), ended=event.message_finished)
                elif isinstance(event, events.Ping):
                    await self._send(event.response())
                elif isinstance(event, events.CloseConnection):
                    self._closed.set()
                    if data:
                        await self._send(event.response())
                elif not isinstance(event, events.Pong):
                    raise RemoteProtocolError("messages are binary")
        except (LocalProtocolError, RemoteProtocolError) as error:
            self._closed.set()
            raise ConnectionError(str(error)) from None

    def _message(self, data: bytes, *, ended: bool) -> None:
        if not self._channels:
            if data:
                self._arrived.append(data)
            return
        if self._channel < 0 and data:
            self._channel, data = data[0], data[1:]
        if self._channel == _STDIN:
            if data:
                self._arrived.append(data)
        else:
            self._control += data
            if len(self._control) > _CONTROL_BYTES:
                raise RemoteProtocolError("a control message is too long")
        if ended:
            self._finish(self._channel, self._control)
            self._channel, self._control = -1, b""

    def _finish(self, channel: int, control: bytes) -> None:
        if channel == _SIZE:
            try:
                size = json.loads(control)
                rows, columns = int(size["Height"]), int(size["Width"])
            except (ValueError, TypeError, KeyError):
                raise RemoteProtocolError("this is no terminal's size") from None
            if not (0 < rows < 1 << 16 and 0 < columns < 1 << 16):
                raise RemoteProtocolError("this is no terminal's size")
            self._arrived.append((rows, columns))
        elif channel == _CLOSE and self._halves and control == bytes((_STDIN,)):
            self._arrived.append(None)


def _failure(message: str) -> dict[str, object]:
    return {"status": "Failure", "reason": "InternalError", "message": message}


def _status(code: int) -> dict[str, object]:
    """``metav1.Status``, as Kubernetes' remote command streams end."""
    if code == 0:
        return {"status": "Success"}
    if code < 0:
        return _failure("nobody saw how the process ended")
    return {"status": "Failure", "reason": "NonZeroExitCode", "message": f"command terminated with non-zero exit code {code}",
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]}}
