"""Remove the images that nothing needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput
from ..record import Record
from ..store import image_rows
from ..store.sqlite import sqlite3
from . import leases
from .leases import Items
from .parts import Parts
from .records import ImageRecord, image_of

if TYPE_CHECKING:
    from .service import Images

FILTERS = ("until", "label", "label!", "dangling", "id", "reference", "digest", "before", "since", "after", "containers",
           "intermediate", "readonly")
"""What :meth:`.service.Images.prune` may be narrowed by."""


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
    unknown = next((name for name in filters if name not in FILTERS), "")
    if unknown:
        raise InvalidInput(f"unknown filter {unknown!r}", hint="prune takes until and label")
    wanted = {image.id for image in images.list(filters)}
    with parts.database.write() as db:
        doomed = [image for image in _all(parts, db) if image.id in wanted and _may_go(db, image, all=all)]
        items = _held(db, doomed)
        sizes = _sizes(db, items)
        for image in doomed:
            image_rows.remove_image(db, image.id)
        lease = leases.take(db, "prune", items) if doomed else ""
    if not lease:
        return PruneReport((), (), 0)
    from .collection import release

    release(parts, [lease], cancel)
    with parts.database.read() as db:
        left = _sizes(db, items)
    reclaimed = sum(size for key, size in sizes.items() if key not in left)
    names = tuple(name for image in doomed for name in image.names or image.digests)
    return PruneReport(tuple(image.id for image in doomed), names, reclaimed)


def _all(parts: Parts, db: sqlite3.Connection) -> list[ImageRecord]:
    return [image_of(row, parts.default_storage) for row in image_rows.every(db)]


def _may_go(db: sqlite3.Connection, image: ImageRecord, *, all: bool) -> bool:
    if not all and (image.names or image.digests):
        return False
    held = db.execute("SELECT 1 FROM image_mounts WHERE image_id = ?", (image.id,)).fetchone() is not None
    return not held and not image_rows.users(db, image.id)


def _held(db: sqlite3.Connection, doomed: Sequence[ImageRecord]) -> Items:
    rows = [row for image in doomed for row in image_rows.layers_of(db, image.id)]
    chains = list(dict.fromkeys(row.chain_id for row in rows))
    copies = [copy for chain_id in chains for copy in image_rows.drivers_of(db, [chain_id])]
    return Items(tuple(copies), (), tuple(dict.fromkeys(row.blob_digest for row in rows)))


def _sizes(db: sqlite3.Connection, items: Items) -> dict[tuple[str, str], int]:
    """Bytes of those layers and blobs that have a row."""
    found: dict[tuple[str, str], int] = {}
    for driver, chain_id in items.layers:
        row = db.execute("SELECT size FROM layers WHERE driver = ? AND chain_id = ?", (driver, chain_id)).fetchone()
        if row is not None:
            found[driver, chain_id] = row[0]
    for digest in items.blobs:
        row = db.execute("SELECT size FROM blobs WHERE digest = ?", (digest,)).fetchone()
        if row is not None:
            found["", digest] = row[0]
    return found
