"""An image that another storage driver holds, unpacked into the default one: from kept blobs, or from where it came."""

from __future__ import annotations

from ..cancel import Cancel
from ..errors import NotFound
from ..oci.reference import parse
from ..slots.transport import BlobStream, OpenRequest, Resolved, ResolveRequest
from ..store import image_rows
from .bring import Bringing
from .collection import clear_dead
from .fetch import Source
from .lookup import LOCALHOST
from .parts import Parts
from .records import Image


class _Origin:
    """The registry an image came from, asked only for what the store did not keep."""

    def __init__(self, parts: Parts, image: Image) -> None:
        self._parts = parts
        self._image = image

    def resolve(self, request: ResolveRequest) -> Resolved:
        raise NotFound(f"{self._image.id[:12]} is not resolved again")

    def open(self, request: OpenRequest) -> BlobStream:
        origins = [parse(text) for text in self._image.digests]
        # Below localhost lies what came from a folder or an archive.
        reference = next((origin for origin in origins if origin.domain != LOCALHOST), None)
        if reference is None:
            raise NotFound(f"layer {request.descriptor.digest} of image {self._image.id[:12]} was not kept, and no "
                           "registry is known to have it", hint="pull the image again")
        transport = self._parts.transport(reference.scheme, None)
        return transport.open(request._replace(location=reference.location))

    def close(self) -> None:
        return None


def place(parts: Parts, image: Image, cancel: Cancel) -> None:
    """Unpack an image that is here into the default storage driver. Errors as :meth:`.service.Images.unpack`."""
    with parts.database.read() as db:
        layers = image_rows.layers_of(db, image.id)
    if not layers:
        raise NotFound(f"{image.id}: image not known")
    clear_dead(parts, cancel)
    named = image.names[0] if image.names else image.id[:12]
    bringing = Bringing(parts, named, Source(_Origin(parts, image), ""), lambda event: None, cancel)
    try:
        bringing.bring(layers)
    finally:
        # Its image keeps what was made: only a removal meanwhile, or a failure, leaves something to clear.
        bringing.release()
