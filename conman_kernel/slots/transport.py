"""The slot ``conman.transport``: where images come from, and where they go.

A transport turns a *reference* into a *descriptor* and opens the bytes of any descriptor. It verifies nothing: the
kernel checks size and digest of every byte before it parses or unpacks it, so a transport cannot lie. Methods may be
called from several threads at once. Selected per reference by scheme, see ``[transports]`` in ``conman.toml``.

Three scenarios. *Pull*: ``resolve`` once, ``open`` for the manifest (and the index above it), the config, then each
layer, several at once. *Resume* (kernel's affair): ``open`` with ``offset`` > 0. *Local source*: the same calls on a folder.

:class:`ImageTransport` is what every transport is. Whatever else one can do it offers by having the methods of a
further protocol: :class:`WritableTransport` (push, save, copy), :class:`ListingTransport` (several images in one
place: load), :class:`RegistryTransport` (login, tags, repositories). The kernel looks for the methods and says so
where they are missing.
"""

from __future__ import annotations

from typing import Callable, Iterator, Literal, Protocol, Sequence

from ..cancel import Cancel
from ..oci.descriptor import Descriptor
from ..record import Record

API = 1
"""The version of this slot. A plugin writes in its provider the number that it was written for, never this name."""


class ResolveRequest(Record):
    """Which image is meant.

    :param location: the reference without its scheme, expanded: ``docker.io/library/alpine:latest`` for a registry,
        ``/path/to/layout[:tag]`` for a folder or archive, the path absolute. A scheme that is not conman's own is a place on
        this machine where ``/``, ``./`` or ``../`` follows it, with the same form. What it cannot be is refused in one printable
        line.
    :param cancel: deadline and cancel token.
    :param known: a digest that the reference had before and whose content is here, or empty. Where that still holds, its
        content is not wanted: a transport that can tell so more cheaply than by fetching it may do that.
    """

    location: str
    cancel: Cancel
    known: str = ""


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

    def close(self) -> None:
        """Give the connection or descriptor back. May be called twice, and before the end."""
        ...


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


class WriteRequest(Record):
    """A destination.

    :param location: the reference without its scheme, as in :class:`ResolveRequest`.
    :param cancel: deadline and cancel token; holds for opening the destination only.
    :param scheme: the one that stood before it, for a transport that serves several; empty: not known.
    """

    location: str
    cancel: Cancel
    scheme: str = ""


class PutBlobRequest(Record):
    """One blob on its way to a destination.

    :param descriptor: digest, size and media type; all known.
    :param open: from an offset to the bytes from there on, verified by the kernel: an iterator that raises
        :class:`~conman_kernel.errors.DigestMismatch` where the source lied. May be called again, for another try.
    :param places: repositories (``host/path``) where this blob was seen, the latest first; a registry may link it from there.
    :param progress: takes the number of bytes that have arrived so far.
    :param cancel: deadline and cancel token.
    """

    descriptor: Descriptor
    open: Callable[[int], Iterator[bytes]]
    places: tuple[str, ...]
    progress: Callable[[int], None]
    cancel: Cancel


class PutManifestRequest(Record):
    """A manifest or index whose blobs (or manifests) are all there.

    :param descriptor: digest, size and media type of ``content``.
    :param content: the exact bytes.
    :param names: what the image is called at the destination (``host/path:tag``), for those that hold several images;
        empty: the name in the location, if any.
    :param top: False for a manifest that an index lists: it gets no name.
    :param cancel: deadline and cancel token.
    """

    descriptor: Descriptor
    content: bytes
    names: tuple[str, ...]
    top: bool
    cancel: Cancel


class ImageWriter(Protocol):
    """A destination that images are being written to. Blobs may come from several threads at once; manifests come one
    by one, after everything that they name. A context in three acts: put, ``commit``, ``close``."""

    @property
    def plain_layers(self) -> bool:
        """True where layers can only be stored uncompressed: the kernel then inflates them, with a manifest that says so."""
        ...

    @property
    def indexes(self) -> bool:
        """True where an index can be stored; else the kernel chooses one platform's manifest."""
        ...

    def put_blob(self, request: PutBlobRequest) -> Literal["exists", "mounted", "written"]:
        """Have a blob at the destination.

        :returns: ``exists``: it was there; ``mounted``: linked from another repository; ``written``: its bytes were sent.
        :raises Unauthorized, Unavailable, InvalidInput: as in :meth:`ImageTransport.resolve`.
        :raises DigestMismatch: the destination, or ``open``, says the bytes are others.
        """
        ...

    def put_manifest(self, request: PutManifestRequest) -> None:
        """Store a manifest or index. Errors as in :meth:`put_blob`."""
        ...

    def commit(self, cancel: Cancel) -> None:
        """Make it all visible: a file appears by one rename, whole. What is visible at once (a registry) has nothing to do."""
        ...

    def close(self) -> None:
        """Give everything back; what was not committed is removed where that can be done. May be called twice."""
        ...


class WritableTransport(ImageTransport, Protocol):
    """A transport that images can be written to."""

    def write(self, request: WriteRequest) -> ImageWriter:
        """Open a destination.

        :raises AlreadyExists: a file is there that is not to be replaced or added to.
        :raises Unauthorized, Unavailable, InvalidInput: as in :meth:`ImageTransport.resolve`.
        """
        ...


class Contained(Record):
    """One image of several in one place.

    :param location: what :meth:`ImageTransport.resolve` finds it by.
    :param names: what it is called there, as people write names (``localhost/box:latest``); may be empty.
    """

    location: str
    names: tuple[str, ...]


class ListingTransport(ImageTransport, Protocol):
    """A transport whose places hold several images: archives, layouts."""

    def images(self, request: ResolveRequest) -> tuple[Contained, ...]:
        """What a place holds, in its order. Errors as in :meth:`ImageTransport.resolve`.

        :param request: its location names the place as a whole; or one image in it, which is then the only one, with no other
            name than that.
        """
        ...


class LoginRequest(Record):
    """Credentials for a registry.

    :param registry: ``host[:port]``, or ``host[:port]/path`` where they are for a part of it only.
    :param username: empty with an identity token as password; with no password either, what is kept is tried again.
    :param password: never shown in any message.
    :param cancel: deadline and cancel token.
    """

    registry: str
    username: str
    password: str
    cancel: Cancel


class RegistryTransport(WritableTransport, Protocol):
    """A transport to registries: accounts and catalogues."""

    def login(self, request: LoginRequest) -> str:
        """Try credentials, and keep them where they work.

        :returns: where they are kept: a file, or the name of a credential helper; empty where those that are kept were tried.
        :raises NotFound: those were to be tried, and there are none.
        :raises Unauthorized: the registry refuses them; nothing is kept.
        """
        ...

    def logout(self, registry: str) -> bool:
        """Forget credentials.

        :param registry: as in :class:`LoginRequest`; empty: all that lie where logins are kept.
        :returns: False where there were none.
        """
        ...

    def account(self, registry: str) -> str | None:
        """The user name that is kept for a registry; None where there is none."""
        ...

    def tags(self, request: ResolveRequest) -> Iterator[str]:
        """The tags of a repository (``host/path``), page by page as they are read."""
        ...

    def repositories(self, request: ResolveRequest) -> Iterator[str]:
        """The repositories of a registry (``host``), without its name, where it has a catalogue.

        :raises Unavailable: it has none.
        """
        ...


class ExplainingTransport(ImageTransport, Protocol):
    """A transport that can tell how it would look for an image, for ``pull --explain``; optional."""

    def explain(self, location: str) -> Sequence[tuple[str, str]]:
        """Name and words of each fact, in order: where it would ask, with whose certificates, by which credentials. Asks nobody,
        changes nothing, and tells no secret.

        :param location: as in :class:`ResolveRequest`.
        """
        ...
