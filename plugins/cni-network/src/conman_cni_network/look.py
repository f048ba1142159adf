"""What a network namespace has: routes and interfaces; of the host, and of a container's.

``/proc/thread-self/net`` shows the namespace of the thread that opens it (proc_pid_net(5)); a container's is looked at by a
thread of its own that enters it and ends, so that no other thread of the program is ever somewhere else (setns(2)).
"""

from __future__ import annotations

import os
from _thread import allocate_lock, start_new_thread
from typing import Callable, TypeVar

from conman_kernel.errors import Unavailable
from conman_kernel.record import Record

_NET = "/proc/thread-self/net"
_NEWNET = 0x40000000
_NS_GET_NSTYPE = 0xB703  # ioctl_ns(2)
T = TypeVar("T")


class Table(Record):
    """What a namespace has.

    :param interfaces: all names. ``routes``: subnets and interfaces, without default routes.
    :param defaults: the version of IP -> the interface of its default route.
    """

    interfaces: tuple[str, ...]
    routes: tuple[tuple[str, str], ...]
    defaults: dict[int, str]


def here() -> Table:
    """What the calling thread's namespace has."""
    routes: list[tuple[str, str]] = []
    defaults: dict[int, str] = {}
    for line in _lines("route")[1:]:
        name, subnet, _, flags, _, _, _, mask, *_ = line.split()
        length = int(mask, 16).bit_count()
        if int(flags, 16) & 1:  # RTF_UP
            _sort(f"{_v4(subnet)}/{length}", name, length, defaults, routes, 4)
    for line in _lines("ipv6_route"):
        subnet, prefix, _, _, _, _, _, _, flags, name = line.split()
        local = int(flags, 16) & 0x80000200  # RTF_LOCAL, RTF_REJECT
        if not local and name != "lo" and not subnet.startswith(("fe80", "ff")):
            _sort(f"{_v6(subnet)}/{int(prefix, 16)}", name, int(prefix, 16), defaults, routes, 6)
    interfaces = tuple(line.partition(":")[0].strip() for line in _lines("dev")[2:])
    return Table(interfaces, tuple(routes), defaults)


def is_namespace(path: str) -> bool:
    """A network namespace is there; not the file on which one was mounted, or nothing."""
    import fcntl

    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == _NEWNET
    except OSError:
        return False
    finally:
        os.close(fd)


def inside(namespace: str) -> Table:
    """What a container's namespace has. :raises Unavailable: see :func:`within`."""
    return within(namespace, here)


def within(namespace: str, action: Callable[[], T]) -> T:
    """Call something in a container's namespace.

    :param namespace: its path.
    :raises Unavailable: there is none, or it may not be entered.
    """
    import ctypes

    try:
        fd = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"there is no network namespace {namespace}: {(error.strerror or '').lower()}") from None
    libc = ctypes.CDLL(None, use_errno=True)
    found: list[T | BaseException] = []
    done = allocate_lock()
    done.acquire()

    def enter() -> None:
        try:
            if libc.setns(fd, _NEWNET):
                words = os.strerror(ctypes.get_errno()).lower()
                raise Unavailable(f"the network namespace {namespace} cannot be entered: {words}")
            found.append(action())
        except BaseException as error:  # noqa: BLE001 (told to the caller, whose thread it is not)
            found.append(error)
        finally:
            done.release()

    start_new_thread(enter, ())
    done.acquire()
    os.close(fd)
    answer = found[0]
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _sort(subnet: str, name: str, length: int, defaults: dict[int, str], routes: list[tuple[str, str]], version: int) -> None:
    if length:
        routes.append((subnet, name))
    else:
        defaults.setdefault(version, name)


def _lines(name: str) -> list[str]:
    try:
        with open(f"{_NET}/{name}", encoding="ascii", errors="replace") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []  # without IPv6 in the kernel


def _v4(text: str) -> str:
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(text)))  # as the host's own order has it


def _v6(text: str) -> str:
    return ":".join(text[at:at + 4] for at in range(0, 32, 4))
