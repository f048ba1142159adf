"""The caller's own pipes, opened once more, so that a shim can carry bytes itself (``shim/PROTOCOL.md``, "Attach socket")."""

from __future__ import annotations

import fcntl
import os
import stat

_ACCESS = (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)
_CAPACITY = 1 << 20
NONE = (-1, -1, -1)


def open_pipes(stdin: int, stdout: int, stderr: int) -> tuple[int, int, int]:
    """Those of a caller's descriptors that are pipes, each as a non-blocking open file of its own: O_NONBLOCK belongs to the open
    file, which the caller shares with its shell.

    :param stdin: read from; ``stdout``, ``stderr``: written to; -1: there is none.
    :returns: new descriptors, close-on-exec, to be closed with :func:`close_pipes`; -1 where it is no pipe, or cannot be opened
        (another user's).
    """
    found: list[int] = []
    for fd, access in zip((stdin, stdout, stderr), _ACCESS):
        found.append(_reopened(fd, access))
    return found[0], found[1], found[2]


def _reopened(fd: int, access: int) -> int:
    if fd < 0:
        return -1
    try:
        usable = stat.S_ISFIFO(os.fstat(fd).st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE in (access, os.O_RDWR)
        if not usable:
            return -1
        reopened = os.open(f"/proc/self/fd/{fd}", access | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1  # it goes by frames, and whoever reads or writes it there hears what is wrong
    _enlarge(reopened)
    return reopened


def _enlarge(fd: int) -> None:
    """Room for as much as the container's own pipes have: with less, three processes wait for each other at every 64 KiB."""
    try:
        if fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ) < _CAPACITY:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _CAPACITY)
    except OSError:
        return  # over the user's share of pipe memory: it stays as it is


def close_pipes(pipes: tuple[int, int, int]) -> None:
    """Give back what :func:`open_pipes` opened."""
    for fd in pipes:
        if fd >= 0:
            os.close(fd)
