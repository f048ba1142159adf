"""Archives that cannot be read in place: their bytes go into an unnamed file, which is gone with its descriptor."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Iterator

from ...errors import InvalidInput, Unavailable
from ...record import Record
from .inflating import HEAD, inflated, packing
from .standard import worded

if TYPE_CHECKING:
    from ...cancel import Cancel

CHUNK = 1 << 20
MAX_BYTES = 64 << 30


class Spool(Record):
    """Where unnamed files go.

    :param folder: made where it does not exist.
    :param limit: bytes that one archive may have, unpacked.
    """

    folder: str = "/var/tmp"
    limit: int = MAX_BYTES


def unnamed(folder: str) -> int:
    """A descriptor of a new file without a name, for reading and writing. Nothing is left of it once it is closed.

    :raises Unavailable: the folder cannot be made or written to.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        try:
            return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT):
                raise
        name = os.path.join(folder, f".spool-{os.urandom(8).hex()}")
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.unlink(name)
        return fd
    except OSError as error:
        raise Unavailable(f"cannot make a temporary file in {folder}: {error.strerror}") from None


def spooled(chunks: Iterator[bytes], spool: Spool, shown: str, cancel: Cancel) -> int:
    """Bytes from a pipe or a compressed file, unpacked, in an unnamed file; the caller closes it.

    :raises InvalidInput: more than the limit, or not sound.
    :raises Unavailable: no space is left.
    """
    head, chunks = _peek(chunks)
    packed = packing(head)
    if packed:
        chunks = inflated(packed, chunks, shown)
    fd = unnamed(spool.folder)
    try:
        _fill(fd, chunks, spool, shown, cancel)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _fill(fd: int, chunks: Iterator[bytes], spool: Spool, shown: str, cancel: Cancel) -> None:
    size = 0
    for chunk in chunks:
        cancel.check()
        size += len(chunk)
        if size > spool.limit:
            raise InvalidInput(f"{shown} has more than the {spool.limit} bytes, unpacked, that are accepted",
                               hint="the option spool_limit of its plugin is the limit")
        view = memoryview(chunk)
        try:
            while view:
                view = view[os.write(fd, view):]
        except OSError as error:
            raise worded(error, f"the temporary file for {shown} in {spool.folder}") from None


def _peek(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD:
            break

    def all_of_it() -> Iterator[bytes]:
        if head:
            yield head
        yield from chunks

    return head, all_of_it()


def file_chunks(fd: int, shown: str) -> Iterator[bytes]:
    """The bytes of a file, front to end."""
    at = 0
    while True:
        try:
            chunk = os.pread(fd, CHUNK, at)
        except OSError as error:
            raise worded(error, shown) from None
        if not chunk:
            return
        at += len(chunk)
        yield chunk


def pipe_chunks(fd: int, shown: str, cancel: Cancel) -> Iterator[bytes]:
    """What comes through a pipe or socket, until its end. The token ends the waiting."""
    while True:
        cancel.wait_readable(fd)
        try:
            chunk = os.read(fd, CHUNK)
        except BlockingIOError:
            continue  # somebody else who reads it was faster
        except OSError as error:
            raise worded(error, shown) from None
        if not chunk:
            return
        yield chunk
