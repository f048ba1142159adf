"""Small files that appear whole or not at all."""

from __future__ import annotations

import os

from ..errors import AlreadyExists, Unavailable


def write_new(path: str, text: str, what: str) -> None:
    """Make a file that must not exist yet.

    :param what: what it is, for the message.
    :raises AlreadyExists: it exists.
    :raises Unavailable: it cannot be made.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise AlreadyExists(f"{what} exists: {path}", hint="remove it, or name another file") from None
    except OSError as error:
        raise Unavailable(f"cannot write the {what} {path}: {error.strerror}") from None
    try:
        with os.fdopen(fd, "w") as stream:
            stream.write(text)
    except OSError as error:
        os.unlink(path)
        raise Unavailable(f"cannot write the {what} {path}: {error.strerror}") from None


def remove_named(path: str, text: str) -> None:
    """Remove a file that :func:`write_new` made; one that says something else, or is gone, is another's affair.

    :param path: empty: there is none.
    """
    if not path:
        return
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            ours = stream.read(len(text) + 1) == text
    except OSError:
        return  # nothing there, or nothing that could be ours
    if ours:
        os.unlink(path)


def replace(path: str, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file whole, by rename. Not durable: for what a reboot clears.

    :raises Unavailable: it cannot be written.
    """
    # A new name that nobody can foresee: the folder may be one where others make links, such as /tmp.
    temporary = f"{path}.{os.urandom(8).hex()}"
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(fd, "wb") as stream:
                stream.write(data)
            os.rename(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise Unavailable(f"cannot write {path}: {error.strerror}") from None
