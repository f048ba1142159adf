"""The calls about containers, sessions aside."""

from __future__ import annotations

import asyncio
import json

from conman_kernel import Container, aio
from conman_kernel.errors import ConmanError, NotFound, RuntimeFailed

from . import documents, words
from .api import Server, while_there
from .http import Connection, Request

_MOST = 65535
_SIZES = 1024
"""Containers whose terminal's first size is remembered until they are started."""


async def listing(server: Server, connection: Connection, request: Request) -> None:
    """``GET /containers/json``."""
    filters = words.filters(request.query.get("filters", ""))
    last = request.number("limit", 1 << 30) if request.query.get("limit", "-1") != "-1" else 0

    def rows() -> list[dict[str, object]]:
        found = server.conman.containers.list(all=request.flag("all"), filters=filters, last=last)
        return [documents.listed(container) for container in found]

    await connection.answer(200, await asyncio.to_thread(rows))


async def create(server: Server, connection: Connection, request: Request) -> None:
    """``POST /containers/create``, of an image that is here."""
    image, options, size = documents.create_request(request.query.get("name", ""), request.document())
    made = await aio.call(lambda cancel: server.conman.containers.create(image, options, cancel=cancel))
    if any(size) and len(server.sizes) < _SIZES:
        server.sizes[made.id] = size
    await connection.answer(201, {"Id": made.id, "Warnings": []})


async def inspect(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``GET /containers/{id}/json``."""
    container = await server.container(name)
    await connection.answer(200, await asyncio.to_thread(documents.inspected, container))


async def start(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``POST /containers/{id}/start``, with the session of the client that waits for it joined before the first byte."""
    container = await server.container(name)
    if container.state in ("running", "paused"):
        await connection.answer(304)
        return
    try:
        await _start(server, container)
    except RuntimeFailed:
        if container.options.remove:  # one that never runs never removes itself
            await _remove(server, container, force=False)
        raise
    await connection.answer(204)


async def _start(server: Server, container: Container) -> None:
    pending = server.pending.get(container.id)
    if pending is None:
        await aio.call(lambda cancel: container.start(cancel=cancel))
    else:
        # In the foreground, as `conman run` has it: a client that is slow holds the container up, and loses nothing.
        streams, size = pending.streams, server.sizes.get(container.id, (0, 0))
        pending.begin(await aio.call(lambda cancel: container.start_session(
            stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr, size=size, cancel=cancel)))
        server.pending.pop(container.id, None)
    _forget(server, container)


def _forget(server: Server, container: Container) -> None:
    """It was started, or is gone: whoever waits for that goes on."""
    server.sizes.pop(container.id, None)
    event = server.starts.pop(container.id, None)
    if event is not None:
        event.set()


async def _remove(server: Server, container: Container, *, force: bool) -> None:
    await aio.call(lambda cancel: container.remove(force=force, timeout=0, cancel=cancel))
    _forget(server, container)


async def stop(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``POST /containers/{id}/stop``."""
    container = await server.container(name)
    timeout = request.number("t", 1 << 30) if request.query.get("t") else None
    running = container.state in ("running", "paused")
    await aio.call(lambda cancel: container.stop(timeout=timeout, cancel=cancel))
    await connection.answer(204 if running else 304)


async def kill(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``POST /containers/{id}/kill``."""
    number = words.signal_number(request.query.get("signal") or "KILL")
    container = await server.container(name)
    await aio.call(lambda cancel: container.kill(number, cancel=cancel))
    await connection.answer(204)


async def resize(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``POST /containers/{id}/resize``."""
    rows, columns = request.number("h", _MOST), request.number("w", _MOST)
    container = await server.container(name)
    await aio.call(lambda cancel: container.resize(rows=rows, columns=columns, cancel=cancel))
    await connection.answer(200)


async def remove(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``DELETE /containers/{id}``."""
    container = await server.container(name)
    await _remove(server, container, force=request.flag("force"))
    await connection.answer(204)


async def wait(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``POST /containers/{id}/wait``. The head of the answer comes at once: clients start the container after it."""
    container = await server.container(name)
    condition = request.query.get("condition") or "not-running"
    await connection.begin("application/json")
    if condition != "not-running" and container.state not in ("running", "paused"):
        event = server.starts.setdefault(container.id, asyncio.Event())
        await while_there(connection, event.wait())
    try:
        # Of a container that removes itself this is after its removal.
        answer: dict[str, object] = {"StatusCode": await while_there(connection, aio.wait(container))}
    except NotFound:
        answer = {"StatusCode": 125}  # removed and never ran: what was wrong is its start's to say
    except ConmanError as error:
        answer = {"StatusCode": 125, "Error": {"Message": str(error)}}
    await connection.piece(json.dumps(answer).encode() + b"\n")
    await connection.finish()
