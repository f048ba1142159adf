"""Several images of the store into one archive, layout or folder. See :meth:`~.service.Images.save`."""

from __future__ import annotations

from typing import Callable, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput
from ..oci.platform import host_platform
from ..slots.provider import AS_CONFIGURED
from .carrier import Carrier
from .conversion import ManifestFormat
from .destinations import destination, writing
from .fetch import Source
from .parts import Parts
from .records import ImageRecord, Progress
from .storeside import StoreSource


def save(parts: Parts, images: Sequence[tuple[ImageRecord, str]], where: str, *, format: ManifestFormat | None,
         progress: Callable[[Progress], None] | None, cancel: Cancel) -> tuple[str, ...]:
    """See :meth:`~.service.Images.save`.

    :param images: each with the name it was asked for by; empty: by its id.
    :returns: the digest of each manifest written, in the order of ``images``.
    """
    if not images:
        raise InvalidInput("no image to save")
    target = destination(where, parts)
    if not target.local:
        raise InvalidInput(f"{where} is no archive or folder", hint="conman push sends an image to a registry")
    chosen: dict[str, tuple[ImageRecord, dict[str, None]]] = {}
    for image, name in images:
        _, names = chosen.setdefault(image.id, (image, {}))
        names.update(dict.fromkeys([name] if name else ()))
    # A name in the location is the one that a single image gets.
    if target.tag and len(chosen) > 1:
        raise InvalidInput(f"{where} has one name for {len(chosen)} images", hint=f"leave out ':{target.tag}'")
    digests: dict[str, str] = {}
    with writing(target, parts, AS_CONFIGURED, cancel) as writer:
        carrier = Carrier(parts, writer, platform=host_platform(), format=format, progress=progress)
        for image, names in chosen.values():
            store = StoreSource(parts, image)
            what = next(iter(names), image.id[:12])
            written = carrier.carry(Source(store, ""), store.descriptor, None, () if target.tag else tuple(names), what, cancel)
            digests[image.id] = written.digest
        writer.commit(cancel)
    return tuple(digests[image.id] for image, _ in images)
