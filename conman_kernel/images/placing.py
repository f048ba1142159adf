"""An image that another storage driver holds, unpacked into the default one: from kept blobs, or from where it came."""

from __future__ import annotations

from ..cancel import Cancel
from ..errors import ConmanError, NotFound, Unauthorized, Unavailable
from ..oci.reference import Reference, parse
from ..slots.provider import AS_CONFIGURED
from ..slots.transport import BlobStream, OpenRequest, Resolved, ResolveRequest
from ..store import image_rows
from .bring import Bringing
from .collection import clear_dead
from .fetch import Source
from .lookup import LOCALHOST
from .parts import Parts
from .records import ImageRecord


class Origin:
    """The registries an image came from, or where a blob of it was seen; asked only for what the store has not got."""

    def __init__(self, parts: Parts, image: ImageRecord) -> None:
        self._parts = parts
        self._image = image

    def resolve(self, request: ResolveRequest) -> Resolved:
        raise NotFound(f"{self._image.id[:12]} is not resolved again")

    def open(self, request: OpenRequest) -> BlobStream:
        failed: ConmanError | None = None
        for reference in self._origins(request.descriptor.digest):
            transport = self._parts.transport(reference.scheme, AS_CONFIGURED)
            try:
                return transport.open(request._replace(location=reference.location))
            except (NotFound, Unauthorized, Unavailable) as error:
                request.cancel.check()
                failed = failed or error
        raise failed or NotFound(f"layer {request.descriptor.digest} of image {self._image.id[:12]} was not kept, and no "
                                 "registry is known to have it", hint="pull the image again")

    def _origins(self, digest: str) -> list[Reference]:
        with self._parts.database.read() as db:
            seen = image_rows.places_of(db, digest)
        # Below localhost lies what came from a folder or an archive, or was made here.
        found = [reference for reference in map(parse, self._image.digests) if reference.domain != LOCALHOST]
        known = {reference.repository for reference in found}
        return found + [parse(place) for place in seen if place not in known]

    def close(self) -> None:
        return None


def place(parts: Parts, image: ImageRecord, cancel: Cancel) -> None:
    """Unpack an image that is here into the default storage driver. Errors as :meth:`.service.Images.unpack`."""
    with parts.database.read() as db:
        layers = image_rows.layers_of(db, image.id)
    if not layers:
        raise NotFound(f"{image.id}: image not known")
    clear_dead(parts, cancel)
    named = image.names[0] if image.names else image.id[:12]
    bringing = Bringing(parts, named, Source(Origin(parts, image), ""), lambda event: None, cancel)
    try:
        bringing.bring(layers)
        if parts.keep_blobs:
            with parts.database.write() as db:
                image_rows.put_blobs(db, [(layer.blob_digest, layer.blob_size, layer.media_type) for layer in layers
                                          if parts.blobs.has(layer.blob_digest)])
    finally:
        # Its image keeps what was made: only a removal meanwhile, or a failure, leaves something to clear.
        bringing.release()
