"""The few things that are asked of the kernel by netlink: a link's kind and label, its removal; UDP flows that go the old way.

Sources: netlink(7), rtnetlink(7); the kernel's include/uapi/linux/{netlink,rtnetlink,if_link}.h and
include/uapi/linux/netfilter/{nfnetlink,nfnetlink_conntrack}.h. A socket belongs to the network namespace of the thread that
opens it.
"""

from __future__ import annotations

import errno
import os
import struct
from _socket import AF_INET, AF_INET6, AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW, inet_pton, socket
from typing import Iterator

from conman_kernel.errors import Unavailable
from conman_kernel.record import Record

_ROUTE, _NETFILTER = 0, 12
_ERROR, _DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_REQUEST, _ACK, _DUMP = 1, 4, 0x300
_NEWROUTE, _CREATE, _EXCLUSIVE = 24, 0x400, 0x200
_ROUTING = struct.Struct("=BBBBBBBBI")
_MAIN, _STATIC, _UNICAST = 254, 4, 1  # table, who made it, kind
_OIF, _GATEWAY, _PRIORITY = 4, 5, 6
_IFNAME, _LINKINFO, _IFALIAS, _INFO_KIND = 3, 18, 20, 1
_CT_NEW, _CT_GET, _CT_DELETE = 0x100, 0x101, 0x102
_TUPLE_ORIG, _TUPLE_PROTO, _CT_ID, _CT_ZONE = 1, 2, 12, 18
_PROTO_NUM, _PROTO_DST_PORT = 1, 3
_CT_FILTER, _BY_PROTOCOL, _BY_PORT = 25, 1 << 3, 1 << 5
_UDP = 17
_FEW = 8
_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BxHiII")
_ATTRIBUTE = struct.Struct("=HH")
_NESTED = 0x8000
_BUFFER = 1 << 18


class Link(Record):
    """One interface of the host.

    :param kind: ``bridge``, ``veth``, ...; empty for a physical one. ``alias``: its label, whoever set it.
    """

    number: int
    kind: str
    alias: str


def link(name: str) -> Link | None:
    """An interface by name; None: there is none."""
    try:
        for kind, body in _talk(_ROUTE, _GETLINK, 0, _LINK.pack(0, 0, 0, 0, 0) + _text(_IFNAME, name)):
            if kind == _NEWLINK:
                found = dict(_attributes(body[_LINK.size:]))
                info = dict(_attributes(found.get(_LINKINFO, b"")))
                return Link(_LINK.unpack_from(body)[2], _string(info.get(_INFO_KIND, b"")), _string(found.get(_IFALIAS, b"")))
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise _failed(f"look at the interface {name}", error) from None
    return None


def label(index: int, alias: str) -> None:
    """Give an interface its label.

    :raises Unavailable: the kernel refuses.
    """
    try:
        for _ in _talk(_ROUTE, _SETLINK, _ACK, _LINK.pack(0, 0, index, 0, 0) + _text(_IFALIAS, alias)):
            pass
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise _failed(f"label the interface {index}", error) from None


def delete(index: int) -> None:
    """Remove an interface; that it is gone is no error.

    :raises Unavailable: the kernel refuses.
    """
    try:
        for _ in _talk(_ROUTE, _DELLINK, _ACK, _LINK.pack(0, 0, index, 0, 0)):
            pass
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise _failed(f"remove the interface {index}", error) from None


def add_default(interface: str, gateway: str, metric: int) -> None:
    """Add a default route, which holds where there is none of a lower metric.

    :param gateway: an address of IPv4 or IPv6. ``metric``: to which the interface's number is added: no two are the same.
    :raises Unavailable: the kernel refuses.
    """
    found = link(interface)
    family = AF_INET6 if ":" in gateway else AF_INET
    head = _ROUTING.pack(family, 0, 0, 0, _MAIN, _STATIC, 0, _UNICAST, 0)
    number = found.number if found else 0
    several = (_attribute(_GATEWAY, inet_pton(family, gateway)), _attribute(_OIF, struct.pack("=I", number)),
               _attribute(_PRIORITY, struct.pack("=I", metric + number)))
    try:
        for _ in _talk(_ROUTE, _NEWROUTE, _ACK | _CREATE | _EXCLUSIVE, head + b"".join(several)):
            pass
    except OSError as error:
        raise _failed(f"add a route by {interface}", error) from None


def forget_udp(ports: frozenset[int], *, version: int) -> None:
    """Have the kernel forget the UDP flows to some of the host's ports, whose packets would go on to where the port led before.

    :param version: of IP, 4 or 6.
    """
    head = bytes((AF_INET if version == 4 else AF_INET6, 0, 0, 0))
    asked = sorted(ports) if len(ports) <= _FEW else [0]
    try:
        for one in asked:
            for port, found in list(_udp_flows(head, one)):
                if port in ports:
                    _forget(head, found)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EPROTONOSUPPORT, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOENT):
            raise _failed("look at the flows of UDP", error) from None


def _udp_flows(head: bytes, port: int) -> Iterator[tuple[int, dict[int, bytes]]]:
    """The port that each flow was sent to, and its attributes. The kernel is asked for those of one port (0: of any) alone, which
    a busy host's table of a million flows makes worth it; before Linux 5.8 it tells all of them all the same."""
    proto = _attribute(_PROTO_NUM, bytes((_UDP,)))
    flags = _BY_PROTOCOL
    if port:
        proto += _attribute(_PROTO_DST_PORT, port.to_bytes(2, "big"))
        flags |= _BY_PORT
    chosen = _attribute(_TUPLE_ORIG | _NESTED, _attribute(_TUPLE_PROTO | _NESTED, proto))
    chosen += _attribute(_CT_FILTER | _NESTED, _attribute(1, struct.pack("=I", flags)) + _attribute(2, struct.pack("=I", 0)))
    for kind, body in _talk(_NETFILTER, _CT_GET, _DUMP, head + chosen):
        if kind != _CT_NEW:
            continue
        found = dict(_attributes(body[4:]))
        flow = dict(_attributes(found.get(_TUPLE_ORIG, b"")))
        said = dict(_attributes(flow.get(_TUPLE_PROTO, b"")))
        if said.get(_PROTO_NUM, b"\0")[0] == _UDP:
            yield int.from_bytes(said.get(_PROTO_DST_PORT, b"\0\0"), "big"), found


def _forget(head: bytes, found: dict[int, bytes]) -> None:
    chosen = b"".join(_attribute(type | (_NESTED if type == _TUPLE_ORIG else 0), found[type])
                      for type in (_TUPLE_ORIG, _CT_ID, _CT_ZONE) if type in found)
    try:
        for _ in _talk(_NETFILTER, _CT_DELETE, _ACK, head + chosen):
            pass
    except FileNotFoundError:
        return  # it ended by itself


def _talk(protocol: int, type: int, flags: int, body: bytes) -> Iterator[tuple[int, bytes]]:
    """Ask once; the answers' types and bodies. :raises OSError: the kernel's own answer."""
    plug = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)
    try:
        plug.send(_HEADER.pack(_HEADER.size + len(body), type, _REQUEST | flags, 1, 0) + body)
        while True:
            data = plug.recv(_BUFFER)
            at = 0
            while at + _HEADER.size <= len(data):
                length, kind, marks, _, _ = _HEADER.unpack_from(data, at)
                answer = data[at + _HEADER.size:at + length]
                at += (length + 3) & ~3
                if kind == _ERROR:
                    code = -int(struct.unpack_from("=i", answer)[0])
                    if code:
                        raise OSError(code, os.strerror(code))
                    return
                if kind == _DONE:
                    return
                yield kind, answer
                if not marks & 2 and not flags & _DUMP:  # one answer, without more to come
                    return
    finally:
        plug.close()


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, type = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            return
        yield type & 0x3FFF, data[at + _ATTRIBUTE.size:at + length]
        at += (length + 3) & ~3


def _attribute(type: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), type) + value + bytes(-len(value) % 4)


def _text(type: int, value: str) -> bytes:
    return _attribute(type, value.encode() + b"\0")


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _failed(doing: str, error: OSError) -> Unavailable:
    return Unavailable(f"cannot {doing}: {os.strerror(error.errno or 0).lower()}",
                       hint="it needs root with CAP_NET_ADMIN" if error.errno == errno.EPERM else "")
