"""What goes wrong in a worker, and how it is told to the caller. Imports nothing that costs start-up time."""

from __future__ import annotations

import errno
import os


class Refused(Exception):
    """The layer is broken, hostile or over a limit: ``InvalidInput`` at the caller.

    :param message: one line. :param hint: what to do next, or empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Failed(Exception):
    """The host cannot do it: ``Unavailable`` at the caller.

    :param message: one line. :param hint: what to do next, or empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Absent(Exception):
    """Something that was named does not exist: ``NotFound`` at the caller."""


class NeedsParent(Exception):
    """The layer cannot be unpacked alone; the message says which entry and why."""


class Unsuited(Exception):
    """The folder cannot be read in the form that was asked for: ``InvalidState`` at the caller. Nothing was written."""


_FULL = (errno.ENOSPC, errno.EDQUOT)
_BAD_NAME = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EINVAL, errno.EILSEQ)


def show(name: bytes) -> str:
    """An entry's name for a message: printable, in quotes, at most 200 characters."""
    text = repr(name.decode("utf-8", "backslashreplace"))
    return text if len(text) <= 200 else f"{text[:90]}...{text[-90:]}"


def explain(error: OSError, doing: str) -> Refused | Failed:
    """An OSError met while ``doing`` something (a phrase such as ``unpacking 'usr/bin/x'``) as a worker's failure."""
    if error.errno in _FULL:
        return Failed(f"no space left on device while {doing}", "free some space or prune images")
    text = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _BAD_NAME:
        return Refused(f"{doing}: {text.lower()}")
    return Failed(f"{doing}: {text.lower()}")
