"""The slot ``conman.transport``: where images come from.

A transport turns a *reference* into a *descriptor* and opens the bytes of any descriptor. It verifies nothing: the
kernel checks size and digest of every byte before it parses or unpacks it, so a transport cannot lie. Methods may be
called from several threads at once. Selected per reference by scheme, see ``[transports]`` in ``conman.toml``.

Three scenarios. *Pull*: ``resolve`` once, ``open`` for the manifest (and the index above it), the config, then each
layer, several at once. *Resume* (kernel's affair): ``open`` with ``offset`` > 0. *Local source*: the same calls on a folder.
"""

from __future__ import annotations

from typing import Iterator, Protocol

from ..cancel import Cancel
from ..oci.descriptor import Descriptor
from ..record import Record

API = 1
"""The version of this slot. A plugin says in its provider which one it was written for."""


class ResolveRequest(Record):
    """Which image is meant.

    :param location: the reference without its scheme, expanded: ``docker.io/library/alpine:latest`` for a registry,
        ``/path/to/layout[:tag]`` for a folder or archive.
    :param cancel: deadline and cancel token.
    """

    location: str
    cancel: Cancel


class Resolved(Record):
    """What a reference points at now.

    :param descriptor: of the manifest or index. ``size`` is -1 where the source does not say.
    :param content: the manifest's bytes where resolving had to fetch them anyway; the kernel then need not ask again.
    """

    descriptor: Descriptor
    content: bytes | None = None


class OpenRequest(Record):
    """One blob or manifest of an image.

    :param location: as in :class:`ResolveRequest`.
    :param descriptor: what is wanted; ``media_type`` tells manifests (which registries serve elsewhere) from blobs.
    :param offset: first byte wanted; 0 for all.
    :param cancel: deadline and cancel token; also holds while the returned iterator is read.
    """

    location: str
    descriptor: Descriptor
    offset: int
    cancel: Cancel


class BlobStream(Protocol):
    """Bytes on their way. Read to the end or closed, whichever comes first; ``close`` may be called twice."""

    offset: int
    """Where the stream really begins: the offset asked for, or 0 where the source cannot seek."""

    def __iter__(self) -> Iterator[bytes]:
        """Chunks in order, each 1 byte to about 1 MiB. A broken connection raises, never ends early in silence."""
        ...

    def close(self) -> None: ...


class ImageTransport(Protocol):
    """A source of images. See the module for what is promised."""

    def resolve(self, request: ResolveRequest) -> Resolved:
        """Find what a reference points at now.

        :raises NotFound: no such repository, tag, digest, file.
        :raises Unauthorized: credentials are missing or refused.
        :raises Unavailable: the source cannot be reached (network, TLS, 5xx); the message names host and cause.
        :raises InvalidInput: the location is malformed.
        """
        ...

    def open(self, request: OpenRequest) -> BlobStream:
        """Open one blob for reading. Errors as in :meth:`resolve`, here or while the stream is read."""
        ...

    def close(self) -> None:
        """Give connections and descriptors back. May be called twice."""
        ...
