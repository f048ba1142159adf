"""The transport itself: a layout's names to descriptors, descriptors to bytes."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING, Iterator

from conman_kernel.errors import InvalidInput, NotFound, Unavailable
from conman_kernel.oci import digest as digests
from conman_kernel.oci.documents import MAX_DOCUMENT_BYTES
from conman_kernel.slots.transport import OpenRequest, Resolved, ResolveRequest

from . import layout
from .source import Archive, Folder, Piece, Source, identity

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel

CHUNK = 1 << 20
MAX_ARCHIVES = 16
"""Archives whose tables of members are remembered."""


class FileStream:
    """The bytes of one blob; see :class:`conman_kernel.slots.transport.BlobStream`."""

    def __init__(self, piece: Piece, offset: int, shown: str, cancel: Cancel) -> None:
        self.offset = offset
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


class LayoutTransport:
    """Images from layout folders and archives. Implements :class:`conman_kernel.slots.transport.ImageTransport`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._archives: dict[str, Archive] = {}

    def resolve(self, request: ResolveRequest) -> Resolved:
        """Find an image by its name in the layout; see the slot."""
        request.cancel.check()
        path, tag = _split(request.location)
        source = self._source(path, request.cancel)
        try:
            version = _small(source.open("oci-layout"), f"{path}/oci-layout", request.cancel)
        except NotFound:
            raise InvalidInput(f"{path} is no OCI layout: it has no file oci-layout") from None
        layout.check_version(version, f"{path}/oci-layout")
        what = f"{path}/index.json"
        images = layout.entries(_small(source.open("index.json"), what, request.cancel), what)
        return Resolved(layout.choose(images, tag, path))

    def open(self, request: OpenRequest) -> FileStream:
        """Open a blob or manifest by its digest; see the slot."""
        request.cancel.check()
        path, _ = _split(request.location)
        algorithm, digits = digests.split(request.descriptor.digest)
        piece = self._source(path, request.cancel).open("blobs", algorithm, digits)
        offset = request.offset if request.offset <= piece.size else 0
        return FileStream(piece, offset, f"{path}: blob {request.descriptor.digest}", request.cancel)

    def close(self) -> None:
        """Forget what was read of archives. May be called twice."""
        with self._lock:
            self._archives.clear()

    def _source(self, path: str, cancel: Cancel) -> Source:
        try:
            found = os.stat(path)
        except FileNotFoundError:
            raise NotFound(f"{path} does not exist") from None
        except (OSError, ValueError) as error:
            raise Unavailable(f"cannot look at {path}: {getattr(error, 'strerror', None) or error}") from None
        if stat.S_ISDIR(found.st_mode):
            return Folder(path)
        if not stat.S_ISREG(found.st_mode):
            raise InvalidInput(f"{path} is neither a folder nor a file")
        with self._lock:
            known = self._archives.get(path)
        if known is not None and known.identity == identity(found):
            return known
        archive = Archive(path, cancel)
        with self._lock:
            if len(self._archives) >= MAX_ARCHIVES:
                self._archives.clear()
            self._archives[path] = archive
        return archive


def _split(location: str) -> tuple[str, str]:
    path, _, tag = location.partition(":")
    if not path:
        raise InvalidInput(f"{location!r} names no folder or archive", hint="write /path/to/layout or /path/to/it:name")
    return path, tag


def _small(piece: Piece, shown: str, cancel: Cancel) -> bytes:
    """A whole document. :raises InvalidInput: larger than documents may be."""
    stream = FileStream(piece, 0, shown, cancel)
    if piece.size > MAX_DOCUMENT_BYTES:
        stream.close()
        raise InvalidInput(f"{shown} has {piece.size} bytes, more than the {MAX_DOCUMENT_BYTES} that are accepted")
    return b"".join(stream)
