"""A client of the API that knows no more than the wire: HTTP over a unix socket, streams, WebSockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import AsyncIterator, Coroutine, TypeVar

from wsproto import ConnectionType, WSConnection, events

T = TypeVar("T")
PATIENCE = 60.0


def run(work: Coroutine[object, object, T]) -> T:
    """Run a test's coroutine, with a deadline."""
    return asyncio.run(asyncio.wait_for(work, PATIENCE))


class Answer:
    """What came back."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        """The document."""
        return json.loads(self.body)


class Stream:
    """A connection that was taken over."""

    def __init__(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answer, self.reader, self.writer = answer, reader, writer

    async def send(self, data: bytes) -> None:
        """Feed standard input."""
        self.writer.write(data)
        await self.writer.drain()

    def half_close(self) -> None:
        """No more input."""
        self.writer.write_eof()

    async def frame(self) -> tuple[int, bytes] | None:
        """The next frame of a multiplexed stream; None: its end."""
        try:
            head = await self.reader.readexactly(8)
        except asyncio.IncompleteReadError as error:
            assert not error.partial
            return None
        assert head[1:4] == bytes(3)
        return head[0], await self.reader.readexactly(int.from_bytes(head[4:], "big"))

    async def frames(self) -> dict[int, bytes]:
        """All that comes, by stream."""
        found: dict[int, list[bytes]] = {}
        while (frame := await self.frame()) is not None:
            found.setdefault(frame[0], []).append(frame[1])
        return {stream: b"".join(pieces) for stream, pieces in found.items()}

    async def until(self, text: bytes) -> bytes:
        """A raw stream, up to and with a text."""
        return await self.reader.readuntil(text)


class WebSocket:
    """A client's side of one."""

    def __init__(self, ws: WSConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ws, self._reader, self._writer = ws, reader, writer

    async def send(self, data: bytes | str) -> None:
        """Send one message."""
        event = events.TextMessage(data=data) if isinstance(data, str) else events.BytesMessage(data=data)
        self._writer.write(self._ws.send(event))
        await self._writer.drain()

    async def events(self) -> AsyncIterator[events.Event]:
        """What comes, to the end of the connection."""
        while True:
            for event in self._ws.events():
                yield event
                if isinstance(event, events.CloseConnection):
                    if event.code != 1006:
                        self._writer.write(self._ws.send(event.response()))
                    return
            self._ws.receive_data(await self._reader.read(65536) or None)

    async def messages(self) -> tuple[list[bytes], int]:
        """All messages, and the code of the close frame."""
        found, part = [], b""
        async for event in self.events():
            if isinstance(event, events.BytesMessage):
                part += event.data
                if event.message_finished:
                    found.append(part)
                    part = b""
            elif isinstance(event, events.CloseConnection):
                return found, event.code
        raise AssertionError("no close frame")


class Client:
    """One server's client; each call on a connection of its own."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.path, limit=1 << 16)

    @asynccontextmanager
    async def begin(self, method: str, target: str, body: object = None, **headers: str) -> AsyncIterator[Stream]:
        """Send a request; with the head of its answer the connection is the caller's."""
        reader, writer = await self._connect()
        try:
            data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            lines = {"Host": "docker", "Content-Length": str(len(data)), **headers}
            head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
            writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + data)
            first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            found = dict(line.lower().split(": ", 1) for line in rest if line)
            yield Stream(Answer(int(first.split()[1]), found, b""), reader, writer)
        finally:
            writer.close()

    async def call(self, method: str, target: str, body: object = None, **headers: str) -> Answer:
        """A whole request."""
        async with self.begin(method, target, body, **headers) as stream:
            answer, reader = stream.answer, stream.reader
            if answer.headers.get("transfer-encoding") == "chunked":
                while size := int(await reader.readuntil(b"\r\n"), 16):
                    answer.body += (await reader.readexactly(size + 2))[:-2]
            elif method != "HEAD":
                answer.body = await reader.readexactly(int(answer.headers.get("content-length", "0")))
            return answer

    async def ok(self, method: str, target: str, body: object = None):
        """A request that succeeds; its document."""
        answer = await self.call(method, target, body)
        assert answer.status < 300, answer.body
        return answer.json if answer.body else None

    def stream(self, target: str, body: object = None):
        """Take a connection over."""
        return self.begin("POST", target, body, Connection="Upgrade", Upgrade="tcp", Content_Type="application/json")

    async def create(self, image: str, *command: str, **config: object) -> str:
        """Make a container; its id."""
        host = config.pop("HostConfig", {})
        name = config.pop("name", "")
        made = await self.ok("POST", f"/v1.43/containers/create?name={name}",
                             {"Image": image, "Cmd": command, "HostConfig": host, **config})
        return made["Id"]

    async def start(self, id: str) -> None:
        """Start it."""
        assert (await self.call("POST", f"/containers/{id}/start")).status == 204

    async def wait(self, id: str) -> int:
        """Its exit code."""
        return (await self.ok("POST", f"/containers/{id}/wait"))["StatusCode"]

    async def remove(self, id: str) -> None:
        """Take it away, whatever it does."""
        await self.ok("DELETE", f"/containers/{id}?force=1")

    @asynccontextmanager
    async def container(self, image: str, *command: str, **config: object) -> AsyncIterator[str]:
        """One that is removed at the end."""
        id = await self.create(image, *command, **config)
        try:
            yield id
        finally:
            await self.remove(id)

    @asynccontextmanager
    async def websocket(self, target: str, *protocols: str) -> AsyncIterator[tuple[WebSocket, str]]:
        """A WebSocket, and the subprotocol that the server chose."""
        reader, writer = await self._connect()
        try:
            ws = WSConnection(ConnectionType.CLIENT)
            writer.write(ws.send(events.Request(host="docker", target=target, subprotocols=list(protocols))))
            while not (found := list(ws.events())):
                ws.receive_data(await reader.read(65536))
            assert isinstance(found[0], events.AcceptConnection), found
            yield WebSocket(ws, reader, writer), found[0].subprotocol or ""
        finally:
            writer.close()
