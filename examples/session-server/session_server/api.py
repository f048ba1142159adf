"""Which call goes where, and what every call shares: the state of the server, errors, limits."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Awaitable, Callable, Coroutine, TypeVar

from conman_kernel import Conman, Container, errors
from conman_kernel import __version__ as conman_version

from .http import API_VERSION, Connection, Refused, Request

if TYPE_CHECKING:
    from .attaching import Pending

T = TypeVar("T")

CONNECTIONS = 256
"""Clients at once; a further one is refused."""

_STATUS: tuple[tuple[type[errors.ConmanError], int], ...] = (
    (errors.NotFound, 404), (errors.AlreadyExists, 409), (errors.InvalidState, 409), (errors.InvalidInput, 400),
    (errors.CommandNotFound, 400), (errors.CommandNotExecutable, 400), (errors.DeadlineExceeded, 504), (errors.Unavailable, 503))


class Server:
    """One store's sessions, for any number of clients. What it remembers is about clients that are there now: a server that
    takes its place goes on with the same containers and exec sessions.

    :ivar pending: attached to a container that does not run yet, by its id.
    :ivar starts: woken when this server starts the container of that id (or removes it).
    :ivar sizes: what a container's terminal is to have from the start, by its id.
    """

    def __init__(self, conman: Conman) -> None:
        self.conman = conman
        self.pending: dict[str, Pending] = {}
        self.starts: dict[str, asyncio.Event] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self._clients: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client's requests until it leaves."""
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        try:
            await self._requests(Connection(reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            return  # the client left, or the server ends
        finally:
            self._clients.discard(task)
            writer.close()

    async def close(self) -> None:
        """Let go of every client."""
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def container(self, name: str) -> Container:
        """A container by its name or (the beginning of) its id, as it is now.

        :raises NotFound: there is none.
        """
        return await asyncio.to_thread(self.conman.containers.get, name.removeprefix("/"))

    async def _requests(self, connection: Connection) -> None:
        while True:
            try:
                request = await connection.request()
                if request is None:
                    return
                if len(self._clients) > CONNECTIONS:
                    raise Refused(503, "too many clients")
                _same_origin(connection, request)
                await _handler(request)(self, connection, request)
            except (errors.ConmanError, Refused) as error:
                if connection.answered:
                    return  # the end of the connection is all that can still be said
                await connection.answer(_status(error), {"message": _text(error)})
            except (ConnectionError, asyncio.CancelledError):
                raise
            except Exception:  # noqa: BLE001 - one client's request must not end the server
                traceback.print_exc(file=sys.stderr)
                if connection.answered:
                    return
                await connection.answer(500, {"message": "the server has a defect; its log says which"})


async def while_there(connection: Connection, work: Coroutine[object, object, T]) -> T:
    """Work for a client for as long as it is there.

    :raises ConnectionError: it left.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(connection.gone())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ConnectionError("the client has left")
        return task.result()
    finally:
        for other in (task, gone):
            other.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


def _same_origin(connection: Connection, request: Request) -> None:
    """A page in a browser on this machine must not reach a loopback port (DNS rebinding, cross-site WebSockets)."""
    host = re.sub(r":\d+$", "", request.header("host"))
    local = connection.socket.getsockname()
    if request.header("origin") or (isinstance(local, tuple) and host not in ("localhost", local[0], f"[{local[0]}]")):
        raise Refused(403, "requests of web pages, and by other names than this server's own, are not answered")


def _status(error: errors.ConmanError | Refused) -> int:
    if isinstance(error, Refused):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def _text(error: errors.ConmanError | Refused) -> str:
    hint = error.hint if isinstance(error, errors.ConmanError) else ""
    return f"{error} ({hint})" if hint else str(error)


Handler = Callable[[Server, Connection, Request], Awaitable[None]]
Named = Callable[[Server, Connection, Request, str], Awaitable[None]]


def _handler(request: Request) -> Handler:
    """The call that a request means.

    :raises Refused: none.
    """
    from . import attaching, containers, execs, logs

    plain: dict[tuple[str, str], Handler] = {
        ("GET", "/_ping"): ping, ("HEAD", "/_ping"): ping, ("GET", "/version"): version, ("GET", "/info"): info,
        ("GET", "/containers/json"): containers.listing, ("POST", "/containers/create"): containers.create}
    named: dict[tuple[str, str], Named] = {
        ("GET", "/containers/*/json"): containers.inspect, ("POST", "/containers/*/start"): containers.start,
        ("POST", "/containers/*/stop"): containers.stop, ("POST", "/containers/*/kill"): containers.kill,
        ("POST", "/containers/*/wait"): containers.wait, ("POST", "/containers/*/resize"): containers.resize,
        ("DELETE", "/containers/*"): containers.remove, ("GET", "/containers/*/logs"): logs.logs,
        ("POST", "/containers/*/attach"): attaching.attach, ("GET", "/containers/*/attach/ws"): attaching.attach_ws,
        ("POST", "/containers/*/exec"): execs.create, ("POST", "/exec/*/start"): execs.start,
        ("POST", "/exec/*/resize"): execs.resize, ("GET", "/exec/*/json"): execs.inspect}
    path = re.sub(r"^/v\d+\.\d+(?=/)", "", request.path)
    if (request.method, path) in plain:
        return plain[request.method, path]
    parts = path.split("/")
    if len(parts) > 2 and parts[2]:
        call = named.get((request.method, "/".join([*parts[:2], "*", *parts[3:]])))
        if call is not None:
            return lambda server, connection, asked: call(server, connection, asked, parts[2])
    raise Refused(404, f"{request.method} {path}: this server has no such call")


async def ping(server: Server, connection: Connection, request: Request) -> None:
    """Whether anybody is there, and which version of the API it speaks."""
    await connection.answer(200, text="" if request.method == "HEAD" else "OK")


async def version(server: Server, connection: Connection, request: Request) -> None:
    """``docker version``."""
    await connection.answer(200, {
        "Version": conman_version, "ApiVersion": API_VERSION, "MinAPIVersion": "1.24", "Os": "linux", "Arch": os.uname().machine,
        "KernelVersion": os.uname().release, "GitCommit": "", "GoVersion": "", "BuildTime": "",
        "Platform": {"Name": "conman session server"},
        "Components": [{"Name": "conman", "Version": conman_version}]})


async def info(server: Server, connection: Connection, request: Request) -> None:
    """``docker info``, as far as clients look at it before they run something."""
    await connection.answer(200, {"ID": "", "Name": "conman", "OSType": "linux", "ServerVersion": conman_version,
                                  "Driver": server.conman.config.text("storage.driver")})
