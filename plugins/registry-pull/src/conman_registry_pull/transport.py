"""The transport itself: references to descriptors, descriptors to bytes, names to lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Iterator, Mapping, TypeVar

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError, DigestMismatch, InvalidInput, NotFound, Unavailable
from conman_kernel.oci import digest as digests
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.documents import MAX_DOCUMENT_BYTES
from conman_kernel.oci.media_types import ACCEPTED, is_manifest_or_index
from conman_kernel.oci.reference import Reference, parse
from conman_kernel.slots.provider import AS_CONFIGURED
from conman_kernel.slots.transport import LoginRequest, OpenRequest, Resolved, ResolveRequest, WriteRequest

from . import accounts, glance
from .client import Client
from .endpoints import Endpoint, endpoint, endpoints
from .keyring import Keyring
from .pages import names
from .reply import Question, Reply
from .stream import BodyStream, Source, passes_on
from .writer import RepositoryWriter

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Access, Log, RegistrySettings

    from . import Options
    from .credentials import FindCredentials

_ANY_MANIFEST = ", ".join(ACCEPTED)
_T = TypeVar("_T")


class RegistryTransport:
    """Images in registries. Implements :class:`conman_kernel.slots.transport.RegistryTransport`.

    :param access: what the call says above the configuration.
    :param find: who one is, in place of what is kept on this machine.
    """

    def __init__(self, options: Options, registries: Mapping[str, RegistrySettings], log: Log, access: Access = AS_CONFIGURED,
                 find: FindCredentials | None = None) -> None:
        self._options = options
        self._registries = registries
        self._log = log
        self._cert_dir = access.cert_dir
        self._keyring = Keyring(access)
        self._client = Client(options, registries, log, find or self._keyring.find)

    def resolve(self, request: ResolveRequest) -> Resolved:
        """Fetch the manifest or index that a tag or digest names; see the slot."""
        reference = _parse(request.location)
        wanted = reference.digest or reference.tag or "latest"

        def ask(place: Endpoint) -> Resolved:
            question = Question("GET", f"manifests/{wanted}", _pull(place), {"Accept": _ANY_MANIFEST})
            found = self._still(place, question, request) if request.known and not reference.digest else ""
            if found:
                return Resolved(Descriptor(found, request.known, -1))
            reply, content = self._client.document(place, question, MAX_DOCUMENT_BYTES, request.cancel)
            media_type = glance.media_type(reply.headers.get("Content-Type", ""))
            digest = reference.digest or _said(reply) or digests.digest_of(content)
            if place.mirror and digests.digest_of(content, digests.split(digest)[0]) != digest:
                raise Unavailable(f"the manifest of {request.location} at {place.authority} has not the digest {digest}")
            return Resolved(Descriptor(media_type, digest, len(content)), content)

        return self._anywhere(reference, ask)

    def open(self, request: OpenRequest) -> BodyStream:
        """Begin to fetch a blob or manifest; see the slot. ``urls`` of foreign layers are never followed."""
        reference = _parse(request.location)
        digest = digests.parse(request.descriptor.digest)
        manifest = is_manifest_or_index(request.descriptor.media_type)
        source = Source(self._client, self._places(reference), f"{'manifests' if manifest else 'blobs'}/{digest}",
                        _ANY_MANIFEST if manifest else "*/*", request.cancel, ranges=not manifest)
        while True:
            try:
                reply, begins = source.begin(0 if manifest else request.offset)
                return BodyStream(source, reply, begins, self._client.progress)
            except ConmanError as error:
                if not passes_on(error) or not source.next_place():
                    raise
                self._log.info("a mirror was of no use: %s", error)

    def write(self, request: WriteRequest) -> RepositoryWriter:
        """A repository to write to; nothing is asked before something is put. See the slot."""
        reference = _parse(request.location)
        place = endpoint(reference.domain, reference.path, self._registries, self._cert_dir)
        return RepositoryWriter(self._client, place, reference, self._options.upload_chunk, self._log)

    def login(self, request: LoginRequest) -> str:
        """Try credentials, and keep them where they work; see the slot."""
        def strict(find: FindCredentials) -> Client:
            return Client(self._options, self._registries, self._log, find, strict=True)

        return accounts.login(self._keyring, lambda host: endpoint(host, "", self._registries, self._cert_dir), strict, request)

    def logout(self, registry: str) -> bool:
        """Forget credentials; see the slot."""
        return accounts.logout(self._keyring, registry)

    def account(self, registry: str) -> str | None:
        """The user name that is kept; see the slot."""
        return accounts.account(self._keyring, registry)

    def tags(self, request: ResolveRequest) -> Iterator[str]:
        """The tags of a repository; see the slot."""
        reference = _parse(request.location)
        places = self._places(reference)
        place = self._anywhere(reference, lambda place: self._having(place, request.cancel)) if places[1:] else places[0]
        return names(self._client, place, "tags/list", "tags", *_pull(place), request.cancel)

    def repositories(self, request: ResolveRequest) -> Iterator[str]:
        """The repositories of a registry; see the slot."""
        place = endpoint(accounts.place_of(request.location)[0], "", self._registries, self._cert_dir)
        try:
            yield from names(self._client, place, "_catalog", "repositories", "registry:catalog:*", request.cancel)
        except NotFound as error:
            raise Unavailable(f"{place.host} has no catalogue of its repositories ({error})") from None

    def close(self) -> None:
        """Give idle connections back. May be called twice."""
        self._client.close()

    def _still(self, place: Endpoint, question: Question, request: ResolveRequest) -> str:
        """The media type, where a tag is what it was; else empty. Registries that limit pulls do not count HEAD among them."""
        asked = question._replace(method="HEAD", accepted=(200, 400, 404, 405, 501))  # what HEAD is not known by is no answer
        reply = self._client.ask(place, asked, request.cancel)
        reply.done()
        same = reply.status == 200 and _said(reply) == request.known
        return glance.media_type(reply.headers.get("Content-Type", "")) if same else ""

    def _having(self, place: Endpoint, cancel: Cancel) -> Endpoint:
        """A place that knows the repository's tags."""
        self._client.ask(place, Question("GET", "tags/list?n=1", _pull(place)), cancel).done()
        return place

    def _places(self, reference: Reference) -> tuple[Endpoint, ...]:
        return endpoints(reference.domain, reference.path, self._registries, self._cert_dir)

    def _anywhere(self, reference: Reference, ask: Callable[[Endpoint], _T]) -> _T:
        """Ask the mirrors in order, then the registry itself, whose error counts."""
        *mirrors, registry = self._places(reference)
        for mirror in mirrors:
            try:
                return ask(mirror)
            except ConmanError as error:
                if not passes_on(error) and not isinstance(error, DigestMismatch):
                    raise
                self._log.info("the mirror %s was of no use: %s", mirror.authority, error)
        try:
            return ask(registry)
        except ConmanError as error:
            if mirrors and not error.hint:
                error.hint = "its mirrors were tried before and were of no use either (--log-level info says why)"
            raise


def _pull(place: Endpoint) -> tuple[str]:
    return (f"repository:{place.repository}:pull",)


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
