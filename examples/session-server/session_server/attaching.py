"""Attach: to a container that runs, or to one that is about to be started, so that nothing of what it says is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Awaitable, Callable, NamedTuple

from conman_kernel import Container, aio
from conman_kernel.errors import InvalidInput, InvalidState, NotFound, ShimLost

from .api import Server
from .carrying import Peer, carry
from .http import Connection, Request
from .raw import RawPeer
from .websocket import WebSocketPeer

if TYPE_CHECKING:
    from conman_kernel.containers.session import SocketSession

Accept = Callable[[], Awaitable[Peer]]


class Streams(NamedTuple):
    """Which streams a client asks for."""

    stdin: bool
    stdout: bool
    stderr: bool


class Pending(NamedTuple):
    """A client that waits for its container's start, which opens the session."""

    streams: Streams
    session: asyncio.Future[SocketSession]

    def begin(self, session: SocketSession) -> None:
        """The container was started with this session joined."""
        if self.session.done():
            session.detach()  # the client has left meanwhile
        else:
            self.session.set_result(session)


async def attach(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``POST /containers/{id}/attach``: the connection becomes the stream."""
    container, streams = await _asked(server, request, name)

    async def upgraded() -> Peer:
        return RawPeer(connection, terminal=container.options.terminal, upgraded=bool(request.header("upgrade")))

    await _attach(server, container, streams, upgraded)


async def attach_ws(server: Server, connection: Connection, request: Request, name: str) -> None:
    """``GET /containers/{id}/attach/ws``: the same over a WebSocket."""
    container, streams = await _asked(server, request, name)
    await _attach(server, container, streams, lambda: WebSocketPeer.accept(connection, request))


async def _asked(server: Server, request: Request, name: str) -> tuple[Container, Streams]:
    if request.flag("logs"):
        raise InvalidInput("logs=1: a session replays nothing", hint="GET /containers/{id}/logs")
    streams = Streams(request.flag("stdin"), request.flag("stdout"), request.flag("stderr"))
    if not any(streams):
        raise InvalidInput("ask for at least one of stdin, stdout, stderr")
    return await server.container(name), streams


async def _attach(server: Server, container: Container, streams: Streams, accept: Accept) -> None:
    if container.state in ("running", "paused"):
        opened = await aio.call(lambda cancel: container.session(
            stdin=streams.stdin, stdout=streams.stdout, stderr=streams.stderr, cancel=cancel))
        await follow(container, opened, await accepted(opened, accept))
        return
    if container.id in server.pending:
        raise InvalidState("somebody waits for this container's start already", hint="attach once it runs")
    pending = server.pending[container.id] = Pending(streams, asyncio.get_running_loop().create_future())
    try:
        peer = await accept()
        gone = asyncio.ensure_future(peer.gone())
        await asyncio.wait((pending.session, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
    finally:
        if server.pending.get(container.id) is pending:
            del server.pending[container.id]
        pending.session.cancel()
    if not pending.session.cancelled():
        await follow(container, pending.session.result(), peer)


async def accepted(opened: SocketSession, accept: Accept) -> Peer:
    """Answer the client now that the session is there; without a client it is let go."""
    try:
        return await accept()
    except BaseException:
        opened.detach()
        raise


async def follow(process: aio.Waitable, opened: SocketSession, peer: Peer) -> None:
    """Carry a session that was opened, to its end or until the client leaves, and tell the client how it ended."""
    async with aio.session(lambda cancel: opened) as session:
        end = await carry(session, peer)

    async def code() -> int:
        try:
            return await aio.wait(process)
        except (NotFound, ShimLost):
            return -1

    if end is not None:
        await peer.end(end, code)
