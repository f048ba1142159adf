"""HTTP/1.1 (RFC 9112) over asyncio streams: one connection, its requests, and what can be answered. h11 knows the protocol."""

from __future__ import annotations

import asyncio
import json
import select
import socket
from typing import Mapping, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from conman_kernel.errors import InvalidInput

API_VERSION = "1.43"
HEADER_BYTES = 32 * 1024
BODY_BYTES = 1 << 20
IDLE_SECONDS = 60.0
OUT_BYTES = 256 * 1024
"""Bytes on their way to a client, after which no more is produced for it."""

_ALWAYS = (("Api-Version", API_VERSION), ("Ostype", "linux"), ("Server", "conman-session-server"))


class Refused(Exception):
    """A request that is answered with an error, by its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    """One request. Header names are lower case; of a parameter given twice the last one counts."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value; empty where it is not there."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name.encode()), "")

    def flag(self, name: str) -> bool:
        """Docker's booleans: everything but these words is true."""
        return self.query.get(name, "").lower() not in ("", "0", "no", "false", "none")

    def number(self, name: str, most: int) -> int:
        """A parameter that is a whole number from 0 to ``most``.

        :raises InvalidInput: it is not there, or not that.
        """
        text = self.query.get(name, "")
        if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > most:
            raise InvalidInput(f"{name}={text}: a number from 0 to {most} is wanted")
        return int(text)

    def document(self) -> Mapping[str, object]:
        """The body, a JSON object; an empty body is an empty one.

        :raises InvalidInput: it is something else.
        """
        try:
            found = json.loads(self.body) if self.body.strip() else {}
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InvalidInput("the body of the request is not a JSON object")
        return found


class Connection:
    """One client's connection. Ended by whoever opened it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)
        self._taken = False
        writer.transport.set_write_buffer_limits(high=OUT_BYTES)
        self.socket: socket.socket = writer.get_extra_info("socket")

    @property
    def answered(self) -> bool:
        """An answer was begun: an error can no longer be one."""
        return self._taken or self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE)

    async def request(self) -> Request | None:
        """The next request; None: there is none, the connection is to be closed.

        :raises Refused: it is no HTTP, or too large.
        """
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
                    self._http.start_next_cycle()
                if self._http.our_state is not h11.IDLE:
                    return None
                head, body = await self._event(), bytearray()
                if not isinstance(head, h11.Request):
                    return None
                while isinstance(event := await self._event(), h11.Data):
                    body += event.data
                    if len(body) > BODY_BYTES:
                        raise Refused(413, f"the body of a request holds at most {BODY_BYTES} bytes")
        except TimeoutError:
            return None
        except h11.RemoteProtocolError as error:
            raise Refused(error.error_status_hint, str(error)) from None
        target = head.target.decode("latin-1")
        parts = urlsplit(target)
        return Request(head.method.decode("latin-1"), target, unquote(parts.path),
                       dict(parse_qsl(parts.query, keep_blank_values=True)), tuple(head.headers), bytes(body))

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self.reader.read(HEADER_BYTES))
        return event

    async def answer(self, status: int, document: object = None, *, text: str | None = None) -> None:
        """Answer with a JSON document, a text, or nothing."""
        body = text.encode() if text is not None else b"" if document is None else json.dumps(document).encode() + b"\n"
        kind = "text/plain; charset=utf-8" if text is not None else "application/json"
        length = [] if status in (204, 304) else [("Content-Type", kind), ("Content-Length", str(len(body)))]
        self._send(h11.Response(status_code=status, headers=[*_ALWAYS, *length]))
        if body:
            self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())
        await self.writer.drain()

    async def begin(self, kind: str) -> None:
        """Begin an answer of unknown length; :meth:`piece` goes on with it and :meth:`finish` ends it."""
        self._send(h11.Response(status_code=200, headers=[*_ALWAYS, ("Content-Type", kind)]))
        await self.writer.drain()

    async def piece(self, data: bytes) -> None:
        """More of the answer. Returns once the client has taken enough of what came before."""
        self._send(h11.Data(data=data))
        await self.writer.drain()

    async def finish(self) -> None:
        """The answer is complete."""
        self._send(h11.EndOfMessage())
        await self.writer.drain()

    def take_over(self, kind: str, *, upgraded: bool) -> bytes:
        """Make the connection a plain stream both ways, Docker's way: status 101 for those who asked for an upgrade, else 200.

        :returns: what the client has sent of its stream already.
        """
        how = ("101 UPGRADED", "Connection: Upgrade\r\nUpgrade: tcp\r\n") if upgraded else ("200 OK", "")
        self.writer.write(f"HTTP/1.1 {how[0]}\r\nContent-Type: {kind}\r\n{how[1]}\r\n".encode())
        return self.taken_over()

    def taken_over(self) -> bytes:
        """The connection speaks another protocol from here on.

        :returns: what the client has sent of that already.
        """
        self._taken = True
        return self._http.trailing_data[0]

    async def gone(self) -> None:
        """Until the client has left. One that only ended what it sends has left, too, unless the connection was taken over: then
        it half-closed its stream."""
        with select.epoll() as poll:
            # What lies unread would wake a plain reader again and again; this one is woken by an end alone.
            poll.register(self.socket.fileno(), 0 if self._taken else select.EPOLLRDHUP)
            ended = asyncio.Event()
            loop = asyncio.get_running_loop()
            loop.add_reader(poll.fileno(), ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(poll.fileno())

    @property
    def is_gone(self) -> bool:
        """The client has closed both ways."""
        poll = select.poll()
        poll.register(self.socket.fileno(), 0)  # an end is told without being asked for
        return bool(poll.poll(0))

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self.writer.write(data)
