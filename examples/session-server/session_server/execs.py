"""The calls about exec sessions. All of it is in conman's store: another server goes on with what this one has made."""

from __future__ import annotations

import asyncio

from conman_kernel import ExecOptions, ExecSession, aio
from conman_kernel.errors import InvalidInput, RuntimeFailed

from . import words
from .api import Server
from .attaching import accepted, follow
from .http import Connection, Request
from .raw import RawPeer

_MOST = 65535


async def create(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``POST /containers/{id}/exec``. Nothing runs yet."""
    asked = request.document()
    options = ExecOptions(
        command=words.texts(asked, "Cmd"), env=words.pairs(asked, "Env"), workdir=words.text(asked, "WorkingDir"),
        user=words.text(asked, "User"), terminal=words.flag(asked, "Tty"), stdin_open=words.flag(asked, "AttachStdin"),
        privileged=words.flag(asked, "Privileged"))
    if not options.command:
        raise InvalidInput("No exec command specified")
    container = await server.container(name)
    made = await aio.call(lambda cancel: container.create_exec(options, cancel=cancel))
    await connection.answer(201, {"Id": made.id})


async def start(server: Server, connection: Connection, request: Request, id: str) -> None:
    """``POST /exec/{id}/start``: detached, or the connection becomes the stream (all that the session has)."""
    asked = request.document()
    size = words.size(asked, "ConsoleSize")
    session = await _session(server, id)
    if words.flag(asked, "Detach"):
        await aio.call(lambda cancel: session.start(cancel=cancel))
        await connection.answer(200)
        return

    async def upgraded() -> RawPeer:
        return RawPeer(connection, terminal=session.options.terminal, upgraded=bool(request.header("upgrade")))

    try:
        opened = await aio.call(lambda cancel: session.start_session(stdin=session.options.stdin_open, size=size, cancel=cancel))
    except RuntimeFailed as error:
        # Clients read the body of an answer only after the upgrade, and then ask for the exit code: 126 or 127.
        peer = await upgraded()
        await peer.complain(str(error))
        return
    await follow(session, opened, await accepted(opened, upgraded))


async def resize(server: Server, connection: Connection, request: Request, id: str) -> None:
    """``POST /exec/{id}/resize``."""
    rows, columns = request.number("h", _MOST), request.number("w", _MOST)
    session = await _session(server, id)
    await aio.call(lambda cancel: session.resize(rows=rows, columns=columns, cancel=cancel))
    await connection.answer(200)


async def inspect(server: Server, connection: Connection, request: Request, id: str) -> None:
    """``GET /exec/{id}/json``."""
    session = await _session(server, id)
    await connection.answer(200, await asyncio.to_thread(session.inspect))


async def _session(server: Server, id: str) -> ExecSession:
    return await asyncio.to_thread(server.conman.containers.exec_session, id)
