"""The bytes of one file, or of a part of one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple

from ...errors import InvalidInput, Unavailable
from ...oci.documents import MAX_DOCUMENT_BYTES

if TYPE_CHECKING:
    from ...cancel import Cancel

CHUNK = 1 << 20


class Piece(NamedTuple):
    """A file, or a part of one: first byte, bytes. Whoever got it closes ``fd``."""

    fd: int
    start: int
    size: int


class FileStream:
    """The bytes of a piece, which it owns; see :class:`conman_kernel.slots.transport.BlobStream`.

    :param offset: first byte wanted; beyond the end, it begins at 0.
    """

    def __init__(self, piece: Piece, offset: int, shown: str, cancel: Cancel) -> None:
        self.offset = offset if offset <= piece.size else 0
        self._piece = piece
        self._shown = shown
        self._cancel = cancel
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        at, end = self._piece.start + self.offset, self._piece.start + self._piece.size
        try:
            while at < end:
                self._cancel.check()
                if not self._open:
                    raise Unavailable(f"{self._shown} was closed while it was read")
                try:
                    chunk = os.pread(self._piece.fd, min(CHUNK, end - at), at)
                except OSError as error:
                    raise Unavailable(f"cannot read {self._shown}: {error.strerror}") from None
                if not chunk:
                    raise Unavailable(f"{self._shown} became shorter while it was read", hint="try again")
                at += len(chunk)
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Give the descriptor back. May be called twice."""
        if self._open:
            self._open = False
            os.close(self._piece.fd)

    def __del__(self) -> None:
        self.close()


class BytesStream:
    """Bytes that are there already, as a stream."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.offset = offset if offset <= len(data) else 0
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        if self._data[self.offset:]:
            yield self._data[self.offset:]

    def close(self) -> None:
        """Nothing to give back."""


def small(piece: Piece, shown: str, cancel: Cancel) -> bytes:
    """A whole document. The piece's descriptor is closed, whatever happens.

    :raises InvalidInput: larger than documents may be.
    """
    stream = FileStream(piece, 0, shown, cancel)
    if piece.size > MAX_DOCUMENT_BYTES:
        stream.close()
        raise InvalidInput(f"{shown} has {piece.size} bytes, more than the {MAX_DOCUMENT_BYTES} that are accepted")
    return b"".join(stream)


def counted(chunks: Iterator[bytes], size: int, shown: str, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Pass chunks on, and tell how many bytes that were.

    :param size: how many bytes there must be.
    :raises DigestMismatch: there are more, or fewer.
    """
    from ...errors import DigestMismatch

    arrived = 0
    for chunk in chunks:
        arrived += len(chunk)
        if arrived > size:
            break
        yield chunk
        progress(arrived)
    if arrived != size:
        raise DigestMismatch(f"{shown} has {'more' if arrived > size else 'only ' + str(arrived)} bytes, not {size}")
