"""The system calls that Python 3.11 does not have."""

from __future__ import annotations

import ctypes
import os

NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID, NEWNET = 0x20000, 0x02000000, 0x04000000, 0x08000000, 0x20000000, 0x40000000
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC = 1, 2, 4, 8, 32, 4096, 16384
PRIVATE, SLAVE = 1 << 18, 1 << 19
DETACH = 2
IN_ROOT = 0x10
SET_DUMPABLE, CAPBSET_DROP, SET_SECUREBITS, SET_NO_NEW_PRIVS, CAP_AMBIENT, SET_KEEPCAPS = 4, 24, 28, 38, 47, 8
_OPENAT2, _PIVOT_ROOT = 437, {"x86_64": 155, "aarch64": 41}.get(os.uname().machine, -1)
_CAPSET = {"x86_64": 126, "aarch64": 91}.get(os.uname().machine, -1)

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """setns(2)."""
    _checked(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    _checked(_libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()), target)


def umount(target: str, flags: int) -> None:
    """umount2(2)."""
    _checked(_libc.umount2(target.encode(), flags), target)


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2)."""
    _checked(_libc.syscall(ctypes.c_long(_PIVOT_ROOT), new.encode(), old.encode()), "pivot_root")


def prctl(option: int, second: int, third: int = 0) -> None:
    """prctl(2)."""
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(second), ctypes.c_ulong(third), zero, zero), f"prctl {option}")


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2), version 3, of this thread."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    low = 0xFFFFFFFF
    sets = [effective & low, permitted & low, inheritable & low, effective >> 32, permitted >> 32, inheritable >> 32]
    _checked(_libc.syscall(ctypes.c_long(_CAPSET), header, (ctypes.c_uint32 * 6)(*sets)), "capset")


def open_in_root(root: int, path: str, flags: int) -> int:
    """openat2(2) with RESOLVE_IN_ROOT: symlinks, the absolute ones too, stay below the folder ``root``."""
    how = (ctypes.c_uint64 * 3)(flags | os.O_CLOEXEC, 0, IN_ROOT)
    return _checked(_libc.syscall(ctypes.c_long(_OPENAT2), root, path.encode(), how, ctypes.c_size_t(24)), path)
