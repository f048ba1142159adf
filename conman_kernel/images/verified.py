"""A blob on its way through: checked while somebody else reads it, from any byte, as often as it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ..cancel import Cancel
from ..errors import DigestMismatch
from ..oci import digest as digests
from ..oci.descriptor import Descriptor
from ..slots.transport import OpenRequest
from .fetch import Source

if TYPE_CHECKING:
    from hashlib import _Hash

_CHECKPOINT = 16 << 20
"""Bytes between two states of the hash that are kept, so that another try need not read the blob from its beginning."""


class Verified:
    """Opens one blob of a source again and again. Used by one thread at a time.

    :param source: where it is.
    :param descriptor: what it must be; its size is known.
    """

    def __init__(self, source: Source, descriptor: Descriptor, cancel: Cancel) -> None:
        self._source = source
        self._descriptor = descriptor
        self._cancel = cancel
        self._known: list[tuple[int, _Hash]] = [(0, digests.new_hash(digests.split(descriptor.digest)[0]))]

    def __call__(self, offset: int) -> Iterator[bytes]:
        """The bytes from ``offset`` on.

        :raises DigestMismatch: at the end: they, with those before them, are not what the descriptor says.
        :raises ConmanError: as :meth:`conman_kernel.slots.transport.ImageTransport.open`.
        """
        at, known = next((at, known) for at, known in reversed(self._known) if at <= offset)
        hasher = known.copy()
        stream = self._source.transport.open(OpenRequest(self._source.location, self._descriptor, at, self._cancel))
        try:
            if stream.offset not in (at, 0):
                raise DigestMismatch(f"the source of {self._descriptor.digest} began at byte {stream.offset}, not at {at}")
            if stream.offset != at:
                at, hasher = 0, self._known[0][1].copy()
            for chunk in stream:
                self._cancel.check()
                hasher.update(chunk)
                end = at + len(chunk)
                if end > self._descriptor.size:
                    raise self._wrong(f"more than the {self._descriptor.size} bytes that were announced")
                if end > offset:
                    yield chunk[offset - at:] if at < offset else chunk
                at = end
                if at >= self._known[-1][0] + _CHECKPOINT:
                    self._known.append((at, hasher.copy()))
        finally:
            stream.close()
        if at != self._descriptor.size:
            raise self._wrong(f"{at} bytes instead of the {self._descriptor.size} that were announced")
        if hasher.hexdigest() != digests.split(self._descriptor.digest)[1]:
            del self._known[1:]
            raise self._wrong("others than its digest says")

    def _wrong(self, what: str) -> DigestMismatch:
        return DigestMismatch(f"the bytes of {self._descriptor.digest} are {what}",
                              hint="the source or something on the way altered it; try again, or ask who serves it")
