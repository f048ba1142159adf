"""Where the server listens: a unix socket that only its owner reaches, or a loopback port."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import stat
from typing import Awaitable, Callable
from urllib.parse import urlsplit

from conman_kernel.errors import InvalidInput

BUFFER = 64 * 1024
"""Bytes that a stream reads ahead (twice this at most)."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(address: str, serve: Serve, *, remote: bool) -> tuple[asyncio.Server, str]:
    """Begin to listen.

    :param address: ``unix:///path`` or ``tcp://HOST:PORT`` (port 0: a free one).
    :param remote: addresses that other machines reach are allowed.
    :returns: the server, and the address as a client writes it.
    :raises InvalidInput: no such address, or one that is not allowed.
    """
    parts = urlsplit(address)
    if parts.scheme == "unix" and parts.path:
        made = _private_socket(parts.path)
        return await asyncio.start_unix_server(serve, sock=made, limit=BUFFER), address
    if parts.scheme != "tcp" or parts.hostname is None or parts.port is None:
        raise InvalidInput(f"{address}: listen on unix:///path/to.sock or tcp://127.0.0.1:PORT")
    try:
        host = ipaddress.ip_address(parts.hostname)
    except ValueError:
        raise InvalidInput(f"{address}: the host is an IP address, such as 127.0.0.1") from None
    if not host.is_loopback and not remote:
        raise InvalidInput(f"{address}: other machines reach this address, and nobody is asked who he is (see --remote)")
    server = await asyncio.start_server(serve, str(host), parts.port, limit=BUFFER)
    return server, f"tcp://{parts.hostname}:{server.sockets[0].getsockname()[1]}"


def _private_socket(path: str) -> socket.socket:
    """Bound with mode 0600 in a folder with mode 0700, which is made, or else has to be so already."""
    folder = os.path.dirname(path) or "."
    os.makedirs(folder, mode=0o700, exist_ok=True)
    state = os.stat(folder)
    if state.st_uid != os.geteuid() or stat.S_IMODE(state.st_mode) & 0o077:
        raise InvalidInput(f"{folder} is not a folder of this user with mode 0700")
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.exists(path):
            _remove_stale(path)
        made.bind(path)
        os.chmod(path, 0o600)
    except BaseException:
        made.close()
        raise
    return made


def _remove_stale(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise InvalidInput(f"{path}: somebody listens there already")
