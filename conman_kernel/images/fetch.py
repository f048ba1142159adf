"""Bytes from a transport, verified: documents into memory, blobs into the store."""

from __future__ import annotations

from typing import Callable

from ..cancel import Cancel
from ..errors import DigestMismatch, InvalidInput
from ..oci import digest as digests
from ..oci.descriptor import Descriptor
from ..oci.documents import MAX_DOCUMENT_BYTES
from ..slots.transport import ImageTransport, OpenRequest
from ..store.blobs import Blobs, Ingest


class Source:
    """An image at its transport.

    :param location: as the transport was given it for resolving.
    """

    __slots__ = ("location", "transport")

    def __init__(self, transport: ImageTransport, location: str) -> None:
        self.transport = transport
        self.location = location

    def document(self, descriptor: Descriptor, what: str, cancel: Cancel, content: bytes | None = None) -> bytes:
        """A manifest, index or configuration, as a whole.

        :param what: names it in messages.
        :param content: its bytes where the transport gave them already; verified all the same.
        :raises InvalidInput: it is longer than any document may be.
        :raises DigestMismatch: it is not what its descriptor says.
        """
        limit = MAX_DOCUMENT_BYTES if descriptor.size < 0 else descriptor.size
        if limit > MAX_DOCUMENT_BYTES:
            raise InvalidInput(f"{what} has {limit} bytes, more than the {MAX_DOCUMENT_BYTES} that are accepted")
        data = content if content is not None else self._read(descriptor, limit, cancel)
        if descriptor.size >= 0 and len(data) != descriptor.size:
            raise DigestMismatch(f"{what} has not the {descriptor.size} bytes that were announced")
        if len(data) > limit:
            raise InvalidInput(f"{what} has more than the {limit} bytes that are accepted")
        found = digests.digest_of(data, digests.split(descriptor.digest)[0])
        if found != descriptor.digest:
            raise DigestMismatch(f"{what} should have the digest {descriptor.digest}, but has {found}",
                                 hint="the source or something on the way altered it; pull again, or ask who serves it")
        return data

    def blob(self, blobs: Blobs, descriptor: Descriptor, cancel: Cancel, progress: Callable[[int], None]) -> None:
        """Bring a blob into the store, going on from what an earlier try left.

        :param progress: called with the bytes that are here so far.
        :raises DigestMismatch: it is not what its descriptor says.
        :raises ConmanError: of the transport and of :meth:`~conman_kernel.store.blobs.Blobs.ingest`.
        """
        with blobs.ingest(descriptor, cancel) as ingest:
            if ingest.present:
                return
            resumed = ingest.offset > 0
            try:
                self._fill(ingest, descriptor, cancel, progress)
                ingest.commit()
            except DigestMismatch:
                if not resumed:
                    raise
                # What an earlier try left may have been the wrong part: once more, all of it.
                self._fill(ingest, descriptor, cancel, progress)
                ingest.commit()

    def _fill(self, ingest: Ingest, descriptor: Descriptor, cancel: Cancel, progress: Callable[[int], None]) -> None:
        if ingest.offset == descriptor.size and descriptor.size > 0:
            return
        stream = self.transport.open(OpenRequest(self.location, descriptor, ingest.offset, cancel))
        try:
            if stream.offset != ingest.offset:
                if stream.offset != 0:
                    raise DigestMismatch(f"the source of {descriptor.digest} began at byte {stream.offset}, "
                                         f"not at {ingest.offset}")
                ingest.restart()
            for chunk in stream:
                cancel.check()
                ingest.write(chunk)
                progress(ingest.offset)
        finally:
            stream.close()

    def _read(self, descriptor: Descriptor, limit: int, cancel: Cancel) -> bytes:
        stream = self.transport.open(OpenRequest(self.location, descriptor, 0, cancel))
        parts: list[bytes] = []
        size = 0
        try:
            for chunk in stream:
                cancel.check()
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    break
        finally:
            stream.close()
        return b"".join(parts)
