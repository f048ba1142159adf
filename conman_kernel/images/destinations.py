"""Places that images are written to: from what a person wrote to an open writer."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, cast

from ..cancel import Cancel
from ..errors import InvalidInput, Unavailable
from ..oci.reference import Reference, parse
from ..slots.provider import Access
from ..slots.transport import ImageTransport, ImageWriter, ListingTransport, RegistryTransport, WritableTransport, WriteRequest
from .parts import Parts

STORE = "store:"
"""What stands before the name of an image in the store, where another place would be possible."""


def destination(text: str, parts: Parts) -> Reference:
    """Where a person wants an image to go. A short name is put below the first of ``short_names``; a relative path of a local
    place becomes absolute; a registry's reference has a tag or a digest.

    :raises InvalidInput: it is no reference.
    """
    reference = parse(text)
    if reference.local:
        return reference._replace(path=os.path.abspath(reference.path))
    return reference.expand(parts.short_names)[0]


@contextmanager
def writing(reference: Reference, parts: Parts, access: Access, cancel: Cancel) -> Iterator[ImageWriter]:
    """An open destination; what is not committed when the block ends is given up.

    :raises InvalidInput: the transport only reads. Others as :meth:`~conman_kernel.slots.transport.WritableTransport.write`.
    """
    transport = parts.transport(reference.scheme, access)
    if not hasattr(transport, "write"):
        raise InvalidInput(f"the transport of {reference.scheme}: only reads", hint="[transports] in conman.toml names another")
    writer = cast("WritableTransport", transport).write(WriteRequest(reference.location, cancel, reference.scheme))
    try:
        yield writer
    finally:
        writer.close()


def listing(scheme: str, parts: Parts, access: Access) -> ListingTransport:
    """A transport that can tell which images a place holds. :raises InvalidInput: it cannot."""
    transport = parts.transport(scheme, access)
    if not hasattr(transport, "images"):
        raise InvalidInput(f"the transport of {scheme}: cannot list what a place holds")
    return cast("ListingTransport", transport)


def registry(parts: Parts, access: Access) -> RegistryTransport:
    """The transport of registries, with accounts and catalogues. :raises Unavailable: the configured one has none."""
    transport: ImageTransport = parts.transport("docker", access)
    if any(not hasattr(transport, name) for name in ("login", "logout", "account", "tags", "repositories")):
        raise Unavailable("the configured transport of docker: has neither accounts nor catalogues",
                          hint="[transports] in conman.toml names another")
    return cast("RegistryTransport", transport)
