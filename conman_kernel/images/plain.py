"""Layers inflated on their way, for destinations that store them uncompressed. Files without a name: a crash leaves nothing."""

from __future__ import annotations

import os
from typing import Iterator

from ..cancel import Cancel
from ..errors import DigestMismatch, Unavailable
from ..oci.descriptor import Descriptor
from ..oci.media_types import layer_type
from ..worker.jobs import InflateRequest
from .fetch import Source
from .parts import Parts
from .verified import Verified

_CHUNK = 1 << 20


class PlainLayer:
    """One inflated layer, in an unnamed file below the store's ``ingest``. A context manager; makes nothing before :meth:`make`.

    :param what: names it in messages.
    """

    def __init__(self, parts: Parts, source: Source, packed: Descriptor, diff_id: str, what: str) -> None:
        self._parts = parts
        self._source = source
        self._packed = packed
        self._diff_id = diff_id
        self._what = what
        self._fd = -1

    def make(self, cancel: Cancel) -> Descriptor:
        """Inflate it.

        :returns: its descriptor: digest (the diffID) and size of the plain tar, Docker's media type.
        :raises DigestMismatch: the layer is another one than the configuration says.
        :raises ConmanError: of the source and of :meth:`~conman_kernel.worker.client.Worker.inflate`.
        """
        packed = self._parts.blobs.unnamed()
        try:
            for chunk in Verified(self._source, self._packed, cancel)(0):
                _write(packed, chunk)
            os.lseek(packed, 0, os.SEEK_SET)
            self._fd = self._parts.blobs.unnamed()
            made = self._parts.worker().inflate(InflateRequest(blob_fd=packed, out_fd=self._fd, cancel=cancel))
        finally:
            os.close(packed)
        if made.diff_id != self._diff_id:
            raise DigestMismatch(f"{self._what} inflates to {made.diff_id}, but the image's configuration says {self._diff_id}",
                                 hint="the image is broken or forged; ask who made it")
        return Descriptor(layer_type("none", docker=True), made.diff_id, made.size)

    def open(self, offset: int) -> Iterator[bytes]:
        """Its bytes from ``offset`` on."""
        at = offset
        while chunk := os.pread(self._fd, _CHUNK, at):
            at += len(chunk)
            yield chunk

    def close(self) -> None:
        """Give the file back. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> PlainLayer:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view):]
    except OSError as error:
        raise Unavailable(f"cannot write a temporary file of the store: {error.strerror}") from None
