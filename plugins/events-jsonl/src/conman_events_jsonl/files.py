"""The files, numbered and never renamed: ``events.000001.jsonl``, ``events.000002.jsonl``, ...

Only the last one is written to. One that is full is *sealed*: nobody may write it any more, and its mode says so (0400). Writers
hold a shared flock(2) on the file while they write, who seals it an exclusive one; so after a reader has seen the seal, what he
reads to the end is all that this file will ever have.
"""

from __future__ import annotations

import os
import re

_NAME = re.compile(r"events\.(\d{6,})\.jsonl")
_SEALED = 0o400
_OPEN = 0o600


def numbers(folder: str) -> list[int]:
    """The numbers of the files that are there, ascending; none where there is no folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(found[1]) for name in names if (found := _NAME.fullmatch(name)))


def path(folder: str, number: int) -> str:
    """Where a file lies."""
    return f"{folder}/events.{number:06d}.jsonl"


def open_to_write(folder: str) -> int:
    """A descriptor of the last file, made where there is none that is not sealed."""
    while True:
        last = max(numbers(folder), default=0)
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            if last and os.stat(path(folder, last)).st_mode & 0o200:
                return os.open(path(folder, last), flags)
            fd = os.open(path(folder, last + 1), flags | os.O_CREAT | os.O_EXCL, _OPEN)
        except (FileNotFoundError, FileExistsError, PermissionError):
            if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
                raise
            continue  # another process was faster: there are others by now
        if max(numbers(folder)) == last + 1:
            return fd
        stray = not is_sealed(fd)
        os.close(fd)
        if stray:
            # Several were begun, and this one removed, since the look at the folder: now it is none of the row.
            os.unlink(path(folder, last + 1))


def is_sealed(fd: int) -> bool:
    """Whether nobody may write it any more."""
    return not os.fstat(fd).st_mode & 0o200


def seal(fd: int) -> None:
    """Say so. The caller holds the exclusive lock."""
    os.fchmod(fd, _SEALED)


def drop_old(folder: str, keep: int) -> None:
    """Remove all but the last ``keep`` files."""
    for number in numbers(folder)[:-keep]:
        try:
            os.unlink(path(folder, number))
        except FileNotFoundError:
            continue  # another process does the same
