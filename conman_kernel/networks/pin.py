"""A program of its own: makes a network namespace, raises its loopback interface, and pins it at a path by a bind mount.

``python -I -S pin.py PATH PARENT``. Exec'd, never imported for its work: unshare(2) changes the process that calls it. Says in
one line on standard error what failed. It dies with the process PARENT that began it: nothing is mounted once that was killed.
Sources: unshare(2), mount(2), netdevice(7), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

_CLONE_NEWNET = 0x40000000
_BIND = 4096
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # SIOCGIFFLAGS, SIOCSIFFLAGS
_UP = 1
_PDEATHSIG, _KILL = 1, 9
_IFREQ = struct.Struct("16sh22x")


def main(path: str, parent: int) -> None:
    """Pin one namespace; leaves the file, unmounted, where it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    _must(libc.prctl(_PDEATHSIG, _KILL, 0, 0, 0), "follow the process that began this")
    if os.getppid() != parent:
        raise SystemExit("whoever began this is gone")
    os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    _must(libc.unshare(_CLONE_NEWNET), "make a network namespace")
    _raise_loopback()
    _must(libc.mount(b"/proc/self/ns/net", os.fsencode(path), None, ctypes.c_ulong(_BIND), None), f"pin it at {path}")


def _must(failed: int, doing: str) -> None:
    if failed:
        raise SystemExit(f"cannot {doing}: {os.strerror(ctypes.get_errno()).lower()}")


def _raise_loopback() -> None:
    import _socket
    import fcntl

    plug = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    _, flags = _IFREQ.unpack(fcntl.ioctl(plug.fileno(), _GET_FLAGS, _IFREQ.pack(b"lo", 0)))
    fcntl.ioctl(plug.fileno(), _SET_FLAGS, _IFREQ.pack(b"lo", flags | _UP))
    plug.close()


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]))
    except OSError as error:
        raise SystemExit(f"cannot pin a network namespace at {sys.argv[1]}: {error}") from None
