"""Push and copy: one image from one place to another. See :meth:`~.service.Images.push` and :meth:`~.service.Images.copy`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable

from ..cancel import Cancel
from ..errors import InvalidInput
from ..oci.descriptor import Descriptor
from ..oci.platform import Platform, host_platform, parse_platform
from ..oci.reference import Reference
from ..record import Record
from ..slots.provider import Access
from ..store import image_rows
from .carrier import Carrier
from .conversion import ManifestFormat
from .destinations import STORE, destination, writing
from .fetch import Source
from .lookup import LOCALHOST
from .naming import local_names
from .parts import Parts
from .records import ImageRecord, Progress
from .resolve import resolve
from .storeside import StoreSource

if TYPE_CHECKING:
    from .service import Images

__all__ = ["CopyReport", "ManifestFormat", "copy", "push"]


class CopyReport(Record):
    """What a copy did.

    :param digest: of the manifest or index at the destination.
    :param written: blobs whose bytes were sent; ``mounted``: that a registry linked from another repository; ``present``:
        that were there.
    """

    digest: str
    written: int
    mounted: int
    present: int


class _From(Record):
    """An image at its source. ``kept`` is set for one of the store."""

    source: Source
    descriptor: Descriptor
    content: bytes | None
    what: str
    kept: StoreSource | None = None


class _How(Record):
    """How it is written."""

    access: Access
    platform: Platform
    whole: bool
    format: ManifestFormat | None
    progress: Callable[[Progress], None] | None


def push(parts: Parts, image: ImageRecord, where: str, *, access: Access, format: ManifestFormat | None,
         progress: Callable[[Progress], None] | None, cancel: Cancel) -> str:
    """See :meth:`~.service.Images.push`.

    :param where: a reference; empty: the image's only name.
    """
    if not where and len(image.names) != 1:
        called = f"; it is called {', '.join(image.names[:5])}" if image.names else ""
        raise InvalidInput(f"image {image.id[:12]} has {len(image.names)} names: say where to push it",
                           hint=f"push IMAGE DESTINATION{called}")
    where = where or image.names[0]
    if where.startswith(STORE):
        raise InvalidInput("an image of the store is not pushed into the store", hint="conman tag gives it another name")
    target = destination(where, parts)
    if target.domain == LOCALHOST:
        raise InvalidInput(f"{target} names no registry", hint="push IMAGE REGISTRY/NAME, or to localhost:PORT/NAME")
    how = _How(access, parse_platform(image.platform), False, format, progress)
    return _write(parts, _kept(parts, image), target, how, cancel).digest


def copy(images: Images, parts: Parts, source: str, where: str, *, all_platforms: bool, platform: str | None,
         format: ManifestFormat | None, access: Access, source_access: Access | None,
         progress: Callable[[Progress], None] | None, cancel: Cancel) -> CopyReport:
    """See :meth:`~.service.Images.copy`."""
    if all_platforms and platform:
        raise InvalidInput("all platforms and one platform exclude each other")
    if where.startswith(STORE) and (all_platforms or format):
        raise InvalidInput("the store holds an image of one platform, as it came", hint="leave out --all and --format")
    if source.startswith(STORE) and all_platforms:
        raise InvalidInput("the store holds an image of one platform", hint="leave out --all, or copy from its registry")
    from_access = access if source_access is None else source_access
    if where.startswith(STORE):
        return _into_store(images, parts, source, where.removeprefix(STORE), platform, from_access, progress, cancel)
    target = destination(where, parts)
    image = images.get(source.removeprefix(STORE)).record if source.startswith(STORE) else None
    if image is not None:
        found, wanted = _kept(parts, image), parse_platform(platform or image.platform)
    else:
        there = resolve(source, parts, from_access, cancel)
        found = _From(there.source, there.descriptor, there.content, str(there.reference))
        wanted = parse_platform(platform) if platform else host_platform()
    report = _write(parts, found, target, _How(access, wanted, all_platforms, format, progress), cancel)
    if image is not None:
        parts.tell("image", "push", image.id, where)
    return report


def _kept(parts: Parts, image: ImageRecord) -> _From:
    store = StoreSource(parts, image)
    return _From(Source(store, ""), store.descriptor, None, image.names[0] if image.names else image.id[:12], store)


def _write(parts: Parts, found: _From, target: Reference, how: _How, cancel: Cancel) -> CopyReport:
    with writing(target, parts, how.access, cancel) as writer:
        carrier = Carrier(parts, writer, platform=how.platform, all_platforms=how.whole, format=how.format,
                          progress=how.progress, places=places(parts))
        written = carrier.carry(found.source, found.descriptor, found.content, (), found.what, cancel)
        if target.digest and target.digest != written.digest:
            raise InvalidInput(f"{found.what} has the digest {written.digest}, not the one that {target} names")
        writer.commit(cancel)
    _remember(parts, target, carrier, found, written.digest)
    done = carrier.carried
    return CopyReport(written.digest, done["written"], done["mounted"], done["exists"])


def places(parts: Parts) -> Callable[[str], tuple[str, ...]]:
    """From a blob's digest to the repositories where it was seen, the latest first."""
    def of(digest: str) -> tuple[str, ...]:
        with parts.database.read() as db:
            return image_rows.places_of(db, digest)

    return of


def _remember(parts: Parts, target: Reference, carrier: Carrier, found: _From, digest: str) -> None:
    """Where the blobs are now; and that an image of the store is known there by its digest."""
    if not target.domain:
        return
    with parts.database.write() as db:
        image_rows.put_places(db, target.repository, carrier.blobs, time.time())
        kept = found.kept
        if kept is not None and digest == kept.descriptor.digest and image_rows.config_of(db, kept.image_id) is not None:
            image_rows.put_digest(db, target.repository, digest, kept.image_id)


def _into_store(images: Images, parts: Parts, source: str, name: str, platform: str | None, access: Access,
                progress: Callable[[Progress], None] | None, cancel: Cancel) -> CopyReport:
    """Copy into the store, which is a pull under another name; within it, a further name."""
    names = local_names((name,)) if name else None
    if source.startswith(STORE):
        image = images.get(source.removeprefix(STORE))
        if names:
            image.tag(*names)
        return CopyReport(image.digest, 0, 0, len(image.layers))
    from .pull import Pull

    layers: dict[str, set[str]] = {"exists": set(), "downloaded": set()}

    def tell(step: Progress) -> None:
        layers.get(step.kind, set()).add(step.digest)
        if progress is not None:
            progress(step)

    job = Pull(parts, source, platform=platform, progress=tell, access=access, cancel=cancel, names=names)
    image = images.get(job.run(job.resolve()))
    parts.tell("image", "pull", image.id, source)
    return CopyReport(image.digest, len(layers["downloaded"]), 0, len(layers["exists"]))
