"""Remove the images that nothing needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Collection, Mapping, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput
from ..record import Record
from ..store import image_rows
from ..store.sqlite import sqlite3
from . import leases
from .leases import Items
from .parts import Parts
from .records import ImageRecord, image_of
from .tagging import told_gone

if TYPE_CHECKING:
    from .service import Images

FILTERS = ("until", "label", "dangling", "id", "reference", "digest", "before", "since", "after", "containers",
           "intermediate", "manifest", "readonly")
"""What :meth:`.service.Images.prune` may be narrowed by, each also with ``!``, which is its opposite."""


class PruneReport(Record):
    """What went.

    :param deleted: ids of images.
    :param untagged: their names.
    :param reclaimed: bytes that are free now: of layers (as large as their uncompressed archives) and of kept blobs. Layers
        that other images or containers stand on do not count; they stay.
    """

    deleted: tuple[str, ...]
    untagged: tuple[str, ...]
    reclaimed: int


def prune(images: Images, parts: Parts, *, all: bool, filters: Mapping[str, Sequence[str]], cancel: Cancel) -> PruneReport:
    """See :meth:`.service.Images.prune`. An image that gets a name or a container meanwhile stays; so does one that is mounted.

    :raises InvalidInput: an unknown filter.
    """
    unknown = next((name for name in filters if name.removesuffix("!") not in FILTERS), "")
    if unknown:
        raise InvalidInput(f"unknown filter {unknown!r}", hint="prune takes until and label")
    from .collection import clear_dead, release

    clear_dead(parts, cancel)
    wanted = {image.id for image in images.list(filters)}
    with parts.database.write() as db:
        kept = {*image_rows.used(db), *(row[0] for row in db.execute("SELECT image_id FROM image_mounts"))}
        doomed = [image for image in _all(parts, db) if image.id in wanted - kept and (all or not image.names + image.digests)]
        items = _held(db, {image.id for image in doomed})
        sizes = _sizes(db, items)
        for image in doomed:
            image_rows.remove_image(db, image.id)
        lease = leases.take(db, "prune", items) if doomed else ""
    if not lease:
        return PruneReport((), (), 0)
    release(parts, [lease], cancel)
    for image in doomed:
        told_gone(parts, image)
    with parts.database.read() as db:
        left = _sizes(db, items)
    reclaimed = sum(size for key, size in sizes.items() if key not in left)
    parts.tell("image", "prune", "", "", attributes=(("reclaimed", str(reclaimed)),))
    names = tuple(name for image in doomed for name in image.names or image.digests)
    return PruneReport(tuple(image.id for image in doomed), names, reclaimed)


def _all(parts: Parts, db: sqlite3.Connection) -> list[ImageRecord]:
    return [image_of(row, parts.default_storage) for row in image_rows.every(db)]


def _held(db: sqlite3.Connection, doomed: Collection[str]) -> Items:
    rows = [row for row in db.execute("SELECT image_id, chain_id, blob_digest FROM image_layers") if row[0] in doomed]
    chains = {row[1] for row in rows}
    copies = [(row[0], row[1]) for row in db.execute("SELECT driver, chain_id FROM layers") if row[1] in chains]
    return Items(tuple(copies), (), tuple(dict.fromkeys(row[2] for row in rows)))


def _sizes(db: sqlite3.Connection, items: Items) -> dict[tuple[str, str], int]:
    """Bytes of those layers and blobs that have a row."""
    wanted = {*items.layers, *(("", digest) for digest in items.blobs)}
    rows = db.execute("SELECT driver, chain_id, size FROM layers UNION ALL SELECT '', digest, size FROM blobs")
    return {(row[0], row[1]): row[2] for row in rows if (row[0], row[1]) in wanted}
