"""The transport itself: references to descriptors, descriptors to bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterator, Mapping, TypeVar

from conman_kernel.cancel import Cancel
from conman_kernel.errors import (
    Cancelled,
    ConmanError,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    Unauthorized,
    Unavailable,
)
from conman_kernel.oci import digest as digests
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.documents import MAX_DOCUMENT_BYTES
from conman_kernel.oci.media_types import ACCEPTED, is_manifest_or_index
from conman_kernel.oci.reference import Reference, parse
from conman_kernel.slots.transport import OpenRequest, Resolved, ResolveRequest

from .auth import FindCredentials, nobody
from .client import Client, Reply
from .endpoints import Endpoint, endpoints
from .failures import redacted

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log, RegistrySettings

    from . import Options

CHUNK = 256 * 1024
"""Bytes of a chunk: measured, larger ones fall out of the processor's cache before they are hashed."""
_T = TypeVar("_T")


class BodyStream:
    """The bytes of one blob as they come; see :class:`conman_kernel.slots.transport.BlobStream`."""

    def __init__(self, reply: Reply, offset: int) -> None:
        self.offset = offset
        self._reply = reply

    def __iter__(self) -> Iterator[bytes]:
        received = 0
        try:
            while chunk := self._reply.read(CHUNK):
                received += len(chunk)
                if received == self._reply.length:
                    # By now the connection may serve another request, which this one's deadline must not end.
                    self.close()
                    yield chunk
                    return
                yield chunk
            self._reply.expect(received)
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back. May be called twice."""
        self._reply.close()


class RegistryTransport:
    """Images from registries. Implements :class:`conman_kernel.slots.transport.ImageTransport`.

    :param find: from a registry's host to credentials; nobody has any until auth files are read.
    """

    def __init__(self, options: Options, registries: Mapping[str, RegistrySettings], log: Log,
                 find: FindCredentials = nobody) -> None:
        self._registries = registries
        self._log = log
        self._client = Client(options, registries, log, find)

    def resolve(self, request: ResolveRequest) -> Resolved:
        """Fetch the manifest or index that a tag or digest names; see the slot."""
        reference = _parse(request.location)
        wanted = reference.digest or reference.tag or "latest"

        def ask(endpoint: Endpoint) -> Resolved:
            reply = self._client.get(endpoint, f"manifests/{wanted}", {"Accept": ", ".join(ACCEPTED)}, request.cancel)
            content = reply.whole(MAX_DOCUMENT_BYTES)
            media_type = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            digest = reference.digest or _said(reply) or digests.digest_of(content)
            return Resolved(Descriptor(media_type, digest, len(content)), content)

        return self._anywhere(reference, request.cancel, ask)

    def open(self, request: OpenRequest) -> BodyStream:
        """Begin to fetch a blob or manifest; see the slot. ``urls`` of foreign layers are never followed."""
        reference = _parse(request.location)
        digest = digests.parse(request.descriptor.digest)
        manifest = is_manifest_or_index(request.descriptor.media_type)
        path = f"{'manifests' if manifest else 'blobs'}/{digest}"
        headers = {"Accept": ", ".join(ACCEPTED) if manifest else "*/*"}
        offset = 0 if manifest else request.offset

        def ask(endpoint: Endpoint) -> BodyStream:
            wanted = {**headers, "Range": f"bytes={offset}-"} if offset else headers
            reply = self._client.get(endpoint, path, wanted, request.cancel)
            if reply.status == 416:
                reply.close()
                reply = self._client.get(endpoint, path, headers, request.cancel)
            return BodyStream(reply, _begins(reply, offset))

        return self._anywhere(reference, request.cancel, ask)

    def close(self) -> None:
        """Give idle connections back. May be called twice."""
        self._client.close()

    def _anywhere(self, reference: Reference, cancel: Cancel, ask: Callable[[Endpoint], _T]) -> _T:
        """Ask the mirrors in order, then the registry itself, whose error counts."""
        *mirrors, registry = endpoints(reference.domain, reference.path, self._registries)
        for mirror in mirrors:
            try:
                return ask(mirror)
            except (Cancelled, DeadlineExceeded):
                raise
            except (NotFound, Unauthorized, Unavailable, InvalidInput) as error:
                self._log.info("the mirror %s was of no use: %s", mirror.authority, error)
        try:
            return ask(registry)
        except ConmanError as error:
            if mirrors and not error.hint:
                error.hint = "its mirrors were tried before and were of no use either (--log-level info says why)"
            raise


def _parse(location: str) -> Reference:
    reference = parse(location)
    if not reference.domain:
        raise InvalidInput(f"{location!r} names no registry", hint="write host/path, such as docker.io/library/alpine")
    return reference


def _said(reply: Reply) -> str:
    """The digest that the registry claims, where it is one."""
    try:
        return digests.parse(reply.headers.get("Docker-Content-Digest", "").strip())
    except InvalidInput:
        return ""


def _begins(reply: Reply, offset: int) -> int:
    """Where an answer's body begins in the blob. :raises Unavailable: elsewhere than asked."""
    if reply.status != 206:
        return 0
    unit, _, rest = reply.headers.get("Content-Range", "").strip().partition(" ")
    first = rest.partition("-")[0]
    if unit.lower() == "bytes" and first.isdigit() and int(first) == offset:
        return offset
    reply.close()
    raise Unavailable(f"GET {redacted(reply.url)}: asked for the bytes from {offset} on, and got others")
