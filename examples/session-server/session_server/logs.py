"""``GET /containers/{id}/logs``."""

from __future__ import annotations

from contextlib import aclosing

from conman_kernel import aio
from conman_kernel.errors import InvalidInput

from .api import Server, while_there
from .http import Connection, Request
from .raw import MULTIPLEXED, RAW, framed


async def logs(server: Server, connection: Connection, request: Request, name: str) -> None:
    """A container's log, framed like a session's output; of a container with a terminal plain."""
    container = await server.container(name)
    stdout, stderr, stamped = request.flag("stdout"), request.flag("stderr"), request.flag("timestamps")
    if not (stdout or stderr):
        raise InvalidInput("Bad parameters: you must choose at least one stream")
    tail = None if request.query.get("tail", "") in ("", "all") else request.number("tail", 1 << 30)
    since, until = _time(request, "since"), _time(request, "until")
    container.logs(tail=0)  # one that keeps none says so while that can still be an error
    terminal = container.options.terminal

    async def send() -> None:
        within = {1: False, 2: False}  # whether a stream is in the middle of a line
        entries = aio.logs(container, follow=request.flag("follow"), tail=tail, since=since, until=until, stdout=stdout,
                           stderr=stderr)
        async with aclosing(entries):
            async for entry in entries:
                if entry.missed:
                    await connection.piece(framed(2, b"(%d bytes of the log are gone: it was rotated)\n" % entry.missed))
                    continue
                data = entry.data
                if stamped and not within[entry.stream]:
                    data = entry.time.encode() + b" " + data
                within[entry.stream] = not data.endswith(b"\n")
                await connection.piece(data if terminal else framed(entry.stream, data))

    await connection.begin(RAW if terminal else MULTIPLEXED)
    await while_there(connection, send())
    await connection.finish()


def _time(request: Request, name: str) -> float | None:
    """Seconds since the epoch; 0 and nothing at all mean no bound."""
    text = request.query.get(name, "")
    if not text.replace(".", "", 1).isdigit() and text:
        raise InvalidInput(f"{name}={text}: seconds since 1970 are wanted")
    return float(text or 0) or None
