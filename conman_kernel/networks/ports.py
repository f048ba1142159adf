"""Published ports on the host: choosing free ones, and holding them while a container runs.

What reaches a container goes there by the plugin's rules, before any socket is looked for. The sockets here are bound and never
listened on: they keep other programs from the port, as podman's do, and say at the start that it is taken.
"""

from __future__ import annotations

import _socket
import errno
import os
from typing import Mapping, Sequence

from ..errors import InvalidState, Unavailable
from ..slots.network import Port
from . import rows
from .means import Means

CANNOT_PUBLISH = 126
"""podman's exit code for a port that is taken."""

HELD = 200
"""How many sockets are held at most for one container; further ports are only looked at when it starts."""

_SHAPES = {"tcp": (_socket.SOCK_STREAM, 0), "udp": (_socket.SOCK_DGRAM, 0), "sctp": (_socket.SOCK_STREAM, 132)}


def free_port(host_address: str, protocol: str) -> int:
    """A port of the host that nobody has now.

    :raises Unavailable: the host does not have that address.
    """
    plug = _plug(_family(host_address), protocol)
    if plug is None:
        plug = _plug(_family(host_address), "tcp")
    assert plug is not None
    try:
        plug.bind((host_address or "", 0))
        return int(plug.getsockname()[1])
    except OSError as error:
        raise _refused(Port(host_address, 0, 0, protocol), error) from None
    finally:
        plug.close()


def hold(means: Means, ports: Sequence[Port], *, ipv6: bool, container: str) -> list[int]:
    """Take every port.

    :param ipv6: ports of all addresses are published in IPv6, too.
    :param container: whose they are, its id.
    :returns: descriptors of sockets, to be held while the ports are published and then closed; at most :data:`HELD`.
    :raises InvalidState: one is taken; the message says by which container, where it is one of conman's.
    :raises Unavailable: the host does not have that address, or the caller may not have that port.
    """
    held: list[int] = []
    try:
        for port in ports:
            for family, address in _places(port, ipv6=ipv6):
                fd = _bound(means, port, family, address, container)
                if fd < 0:
                    continue
                held.append(fd)
                if len(held) > HELD:
                    os.close(held.pop())
    except BaseException:
        release(held)
        raise
    return held


def release(held: list[int]) -> None:
    """Close what :func:`hold` returned. May be called twice."""
    while held:
        os.close(held.pop())


def _places(port: Port, *, ipv6: bool) -> list[tuple[int, str]]:
    if port.host_address:
        return [(_family(port.host_address), port.host_address)]
    both = [(int(_socket.AF_INET), "")]
    return [*both, (int(_socket.AF_INET6), "")] if ipv6 else both


def _family(address: str) -> int:
    return int(_socket.AF_INET6 if ":" in address else _socket.AF_INET)


def _plug(family: int, protocol: str) -> _socket.socket | None:
    kind, number = _SHAPES[protocol]
    try:
        return _socket.socket(family, kind | _socket.SOCK_CLOEXEC, number)
    except OSError as error:
        if error.errno in (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.ESOCKTNOSUPPORT):
            return None  # this kernel has no such sockets: nobody else can have the port
        raise


def _bound(means: Means, port: Port, family: int, address: str, container: str) -> int:
    """A socket on one port; -1 where the kernel has no sockets of that kind."""
    # First without SO_REUSEADDR: nobody can bind beside such a socket, and it need not listen. Where a server that has just ended
    # left connections in TIME_WAIT only the other way works, and then it is listening that keeps others away.
    for reuse in (False, True):
        plug = _plug(family, port.protocol)
        if plug is None:
            return -1
        try:
            if family == _socket.AF_INET6:
                plug.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
            if reuse:
                plug.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            plug.bind((address, port.host_port))
            if reuse:
                plug.listen(1)
            return plug.detach()
        except OSError as error:
            plug.close()
            if error.errno == errno.EADDRINUSE and not reuse and port.protocol == "tcp":
                continue
            if error.errno == errno.EADDRINUSE:
                raise _taken(means, port, container) from None
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and not port.host_address:
                return -1  # a host without IPv6
            raise _refused(port, error) from None
    raise _taken(means, port, container)


def shown(port: Port) -> str:
    """``0.0.0.0:8080/tcp``."""
    address = port.host_address or "0.0.0.0"
    return f"{f'[{address}]' if ':' in address else address}:{port.host_port}/{port.protocol}"


def _taken(means: Means, port: Port, container: str) -> InvalidState:
    with means.index.read() as connection:
        holder = _holder(rows.of_all(connection), port, container)
    who = f"container {holder}" if holder else "another program of this host"
    error = InvalidState(f"cannot publish port {shown(port)}: address already in use, by {who}",
                         hint="publish another port, or let conman choose one: -p CONTAINER_PORT")
    error.exit_code = CANNOT_PUBLISH
    return error


def _holder(memberships: Mapping[str, list[rows.Membership]], wanted: Port, container: str) -> str:
    """The name of another container that publishes a port now; empty where none does."""
    for id, several in memberships.items():
        for one in several:
            for port in one.result.ports if one.result is not None and id != container else ():
                if (port.host_port, port.protocol) == (wanted.host_port, wanted.protocol) and (
                        port.host_address == wanted.host_address or not port.host_address or not wanted.host_address):
                    return one.result.name if one.result is not None else ""
    return ""


def _refused(port: Port, error: OSError) -> Unavailable:
    what = f"cannot publish port {shown(port)}: {os.strerror(error.errno or 0).lower()}"
    hint = "the address must be one of this host's" if error.errno == errno.EADDRNOTAVAIL else ""
    refusal = Unavailable(what, hint=hint)
    refusal.exit_code = CANNOT_PUBLISH
    return refusal


def is_free(host_address: str, port: int, protocol: str) -> bool:
    """Whether nobody has a port of the host now."""
    plug = _plug(_family(host_address), protocol)
    if plug is None:
        return True
    try:
        plug.bind((host_address or "", port))
    except OSError:
        return False
    finally:
        plug.close()
    return True
