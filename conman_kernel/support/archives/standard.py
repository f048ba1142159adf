"""Opening what a location names. Standard streams are duplicated: a socket, or a pipe of another user, cannot be reopened."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

from ...errors import ConmanError, InvalidInput, NotFound, Unavailable

_STREAMS = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_FOLDERS = ("/dev/fd/", "/proc/self/fd/")


def stream_number(path: str) -> int | None:
    """The descriptor that ``/dev/stdin``, ``/dev/stdout``, ``/dev/fd/N`` or ``/proc/self/fd/N`` means; None for other paths."""
    if path in _STREAMS:
        return _STREAMS[path]
    for folder in _FOLDERS:
        number = path.removeprefix(folder)
        if path.startswith(folder) and number.isascii() and number.isdecimal() and len(number) < 8:
            return int(number)
    return None


def open_source(path: str) -> int:
    """A descriptor to read from; the caller closes it. Never waits, not even for the writer of a FIFO.

    :raises NotFound: nothing is there.
    :raises Unavailable: it cannot be opened.
    """
    number = stream_number(path)
    if number is None:
        return open_beneath(path, os.O_RDONLY | os.O_NONBLOCK, None, path)
    return duplicate(number, path)


def duplicate(number: int, path: str) -> int:
    """A second descriptor of a standard stream, closed on exec. :raises NotFound: the stream is not open."""
    import fcntl

    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        raise NotFound(f"{path} is not open") from None


def open_beneath(name: str, flags: int, at: int | None, shown: str, mode: int = 0o644) -> int:
    """``openat(2)``, closed on exec, with errors in our words.

    :param shown: names the file in messages.
    :raises NotFound: it does not exist.
    :raises InvalidInput: it is a link or no folder where it must be one.
    :raises Unavailable: anything else.
    """
    try:
        return os.open(name, flags | os.O_CLOEXEC, mode, dir_fd=at)
    except (OSError, ValueError) as error:
        refuse(error, shown)


def refuse(error: OSError | ValueError, shown: str) -> NoReturn:
    """Raise what a failed system call on a file of somebody means."""
    raise worded(error, shown) from None


def worded(error: OSError | ValueError, shown: str) -> ConmanError:
    """The typed error for a failed system call on a file of somebody."""
    number = error.errno if isinstance(error, OSError) else None
    if not shown.isprintable():
        shown = ascii(shown)  # a message is one line
    if number == errno.ENOENT:
        return NotFound(f"{shown} does not exist")
    if number == errno.ENOTDIR:
        return InvalidInput(f"{shown} is not a folder, as it must be")
    if number == errno.EISDIR:
        return InvalidInput(f"{shown} is a folder")
    if number == errno.ELOOP:
        return InvalidInput(f"{shown} is a symbolic link, which it must not be")
    if number in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(f"no space is left for {shown}", hint="make room, or name another place")
    if number == errno.EPIPE:
        return Unavailable(f"nobody reads {shown} any more")
    return Unavailable(f"cannot use {shown}: {error.strerror if isinstance(error, OSError) else error}")
