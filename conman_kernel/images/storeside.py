"""The store as a place that images are copied from: documents out of the index, layers out of the kept blobs."""

from __future__ import annotations

import os
from typing import Iterator

from ..cancel import Cancel
from ..errors import NotFound, Unavailable
from ..oci.descriptor import Descriptor
from ..slots.transport import BlobStream, OpenRequest, Resolved, ResolveRequest
from ..store.image_rows import document
from .parts import Parts
from .placing import Origin
from .records import ImageRecord

_CHUNK = 1 << 20


class StoreSource:
    """One image of the store. Implements :class:`conman_kernel.slots.transport.ImageTransport`; its location means nothing.

    A layer that was not kept is fetched from the registry that the image came from.
    """

    def __init__(self, parts: Parts, image: ImageRecord) -> None:
        self._parts = parts
        self.image_id = image.id
        self._origin = Origin(parts, image)
        with parts.database.read() as db:
            row = db.execute("SELECT manifest, manifest_type, manifest_digest, config, config_digest FROM images WHERE id = ?",
                             (image.id,)).fetchone()
        if row is None:
            raise NotFound(f"{image.id}: image not known")
        manifest, config = document(row[0]), document(row[3])
        self.descriptor = Descriptor(row[1], row[2], len(manifest))
        self._documents = {str(row[2]): manifest, str(row[4]): config}

    def resolve(self, request: ResolveRequest) -> Resolved:
        """The image's manifest."""
        return Resolved(self.descriptor, self._documents[self.descriptor.digest])

    def open(self, request: OpenRequest) -> BlobStream:
        """A document or a layer. :raises NotFound: it was not kept, and no registry is known to have it."""
        found = self._documents.get(request.descriptor.digest)
        if found is not None:
            return _Bytes(found, request.offset)
        try:
            fd = self._parts.blobs.open(request.descriptor.digest)
        except NotFound:
            return self._origin.open(request)
        return _File(fd, request.offset, request.cancel)

    def close(self) -> None:
        """Nothing is held."""


class _Bytes:
    def __init__(self, data: bytes, offset: int) -> None:
        self.offset = offset
        self._data = data[offset:]

    def __iter__(self) -> Iterator[bytes]:
        if self._data:
            yield self._data

    def close(self) -> None:
        return None


class _File:
    def __init__(self, fd: int, offset: int, cancel: Cancel) -> None:
        self.offset = offset
        self._fd = fd
        self._cancel = cancel

    def __iter__(self) -> Iterator[bytes]:
        at = self.offset
        while True:
            self._cancel.check()
            try:
                chunk = os.pread(self._fd, _CHUNK, at)
            except OSError as error:
                raise Unavailable(f"cannot read a blob of the store: {error.strerror}") from None
            if not chunk:
                return
            at += len(chunk)
            yield chunk

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
