"""The transport as the kernel gets it: the HTTP library is loaded with the first question that needs it."""

from __future__ import annotations

from _thread import allocate_lock
from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.media_types import ACCEPTED
from conman_kernel.oci.reference import parse
from conman_kernel.slots.provider import AS_CONFIGURED
from conman_kernel.slots.transport import LoginRequest, OpenRequest, Resolved, ResolveRequest, WriteRequest

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Access, Log, RegistrySettings
    from conman_kernel.slots.transport import BlobStream, ImageWriter

    from . import Options
    from .transport import RegistryTransport


class Entrance:
    """Images in registries. Implements :class:`conman_kernel.slots.transport.RegistryTransport` by
    :class:`.transport.RegistryTransport`, but for a tag that still is what it was: see :mod:`.glance`.

    :param access: what the call says above the configuration.
    """

    def __init__(self, options: Options, registries: Mapping[str, RegistrySettings], log: Log,
                 access: Access = AS_CONFIGURED) -> None:
        self._options = options
        self._registries = registries
        self._log = log
        self._access = access
        self._making = allocate_lock()
        self._transport: RegistryTransport | None = None

    def resolve(self, request: ResolveRequest) -> Resolved:
        """See the slot."""
        found = self._still(request) if request.known and self._transport is None else ""
        return Resolved(Descriptor(found, request.known, -1)) if found else self._whole().resolve(request)

    def explain(self, location: str) -> Sequence[tuple[str, str]]:
        """See :class:`conman_kernel.slots.transport.ExplainingTransport`."""
        from .told import told

        return told(location, self._registries, self._access)

    def open(self, request: OpenRequest) -> BlobStream:
        """See the slot."""
        return self._whole().open(request)

    def write(self, request: WriteRequest) -> ImageWriter:
        """See the slot."""
        return self._whole().write(request)

    def login(self, request: LoginRequest) -> str:
        """See the slot."""
        return self._whole().login(request)

    def logout(self, registry: str) -> bool:
        """See the slot."""
        return self._whole().logout(registry)

    def account(self, registry: str) -> str | None:
        """See the slot."""
        return self._whole().account(registry)

    def tags(self, request: ResolveRequest) -> Iterator[str]:
        """See the slot."""
        return self._whole().tags(request)

    def repositories(self, request: ResolveRequest) -> Iterator[str]:
        """See the slot."""
        return self._whole().repositories(request)

    def close(self) -> None:
        """Give idle connections back. May be called twice."""
        if self._transport is not None:
            self._transport.close()

    def _still(self, request: ResolveRequest) -> str:
        from . import glance
        from .endpoints import endpoints

        reference = parse(request.location)
        first, *others = endpoints(reference.domain, reference.path, self._registries, self._access.cert_dir)
        if others or self._access.credentials is not None or reference.digest:
            return ""  # mirrors have an order and reasons to be passed over; credentials were given to be used
        return glance.still(first, reference.tag or "latest", request.known, ", ".join(ACCEPTED), self._options.user_agent,
                            request.cancel)

    def _whole(self) -> RegistryTransport:
        with self._making:
            if self._transport is None:
                from .transport import RegistryTransport

                self._transport = RegistryTransport(self._options, self._registries, self._log, self._access)
        return self._transport
