"""An image that another storage driver holds is unpacked into the default one, from the kept blobs or from where it came."""

from __future__ import annotations

from ..cancel import Cancel
from ..errors import NotFound
from ..oci.descriptor import Descriptor
from ..oci.manifest import Manifest, parse_manifest
from ..oci.reference import parse
from ..slots.transport import BlobStream, OpenRequest, Resolved, ResolveRequest
from ..store import image_rows
from .fetch import Source
from .parts import Parts
from .pull import Pull
from .records import Image
from .resolve import Found


class _Origin:
    """The registry an image came from, asked only for what the store did not keep."""

    def __init__(self, parts: Parts, image: Image) -> None:
        self._parts = parts
        self._image = image

    def resolve(self, request: ResolveRequest) -> Resolved:
        raise NotFound(f"{self._image.id[:12]} is not resolved again")

    def open(self, request: OpenRequest) -> BlobStream:
        if not self._image.digests:
            raise NotFound(f"layer {request.descriptor.digest} of image {self._image.id[:12]} was not kept, and no registry is known "
                           "to have it", hint="pull the image again")
        reference = parse(self._image.digests[0])
        transport = self._parts.transport(reference.scheme, None)
        return transport.open(request._replace(location=reference.location))

    def close(self) -> None:
        return None


def place(parts: Parts, image: Image, cancel: Cancel) -> None:
    """Unpack an image that is here into the default storage driver. Errors as :meth:`.service.Images.unpack`."""
    with parts.database.read() as db:
        row = db.execute("SELECT manifest, manifest_type FROM images WHERE id = ?", (image.id,)).fetchone()
        if row is None:
            raise NotFound(f"{image.id}: image not known")
        layers = image_rows.layers_of(db, image.id)
    document = image_rows.document(row["manifest"])
    manifest = parse_manifest(document, row["manifest_type"], f"the manifest of image {image.id[:12]}")
    assert isinstance(manifest, Manifest) and len(manifest.layers) == len(layers)
    descriptor = Descriptor(row["manifest_type"], image.digest, len(document))
    named = parse(image.names[0] if image.names else image.digests[0] if image.digests else f"localhost/{image.id[:12]}")
    found = Found(Source(_Origin(parts, image), ""), named, "", (), descriptor, descriptor, manifest, document)
    Pull(parts, str(named), platform=image.platform, progress=None, tls_verify=None, cancel=cancel).place(found)
