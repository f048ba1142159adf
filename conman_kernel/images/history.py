"""How an image was made, step by step, as ``podman history`` tells it."""

from __future__ import annotations

from typing import Mapping

from ..oci.digest import chain_ids
from ..oci.image_config import created_seconds
from ..record import Record
from ..store.sqlite import sqlite3
from .parts import Parts
from .records import ImageRecord

MISSING = "<missing>"
"""The id of a step that no image ends with."""


class HistoryEntry(Record):
    """One step, as the config's history tells it.

    :param id: of the image that ends with this step, or ``<missing>``.
    :param created: seconds since the epoch, 0 where the image does not say.
    :param created_by: the instruction or command, whole; ``comment`` likewise.
    :param size: bytes of the layer's uncompressed archive; 0 for a step without a layer, or where no driver holds it.
    :param tags: names of the image that ends with this step.
    """

    id: str
    created: int
    created_by: str
    size: int
    comment: str
    tags: tuple[str, ...]


def history(parts: Parts, image: ImageRecord) -> tuple[HistoryEntry, ...]:
    """The steps of an image, the latest first. Layers that its documents tell nothing about are steps without words."""
    config = image.config
    chain = list(chain_ids(config.diff_ids))
    with parts.database.read() as db:
        sizes, tops = _sizes(db, image.id), _tops(db, chain)
    steps = [(step.created, step.created_by, step.comment, step.empty_layer) for step in config.history]
    untold = len(chain) - sum(1 for step in steps if not step[3])
    steps = [("", "", "", False)] * max(0, untold) + steps
    found: list[HistoryEntry] = []
    for created, created_by, comment, empty in reversed(steps):
        layer = chain.pop() if chain and not empty else ""
        id, tags = tops.get(layer, (MISSING, ())) if layer else (MISSING, ())
        if not found:
            id, tags = image.id, image.names
        elif id == image.id:
            id, tags = MISSING, ()
        found.append(HistoryEntry(id, created_seconds(created), created_by, sizes.get(layer, 0), comment, tags))
    return tuple(found)


def _sizes(db: sqlite3.Connection, image_id: str) -> dict[str, int]:
    rows = db.execute("SELECT l.chain_id, max(l.size) FROM image_layers i JOIN layers l ON l.chain_id = i.chain_id "
                      "WHERE i.image_id = ? GROUP BY l.chain_id", (image_id,))
    return {row[0]: row[1] for row in rows}


def _tops(db: sqlite3.Connection, chain: list[str]) -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Per layer that some image ends with: that image's id and names."""
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    rows = db.execute(
        "SELECT i.top_chain_id, i.id, (SELECT group_concat(n.name, char(10)) FROM image_names n WHERE n.image_id = i.id) "
        f"FROM images i WHERE i.top_chain_id IN ({','.join('?' * len(chain))}) ORDER BY i.pulled", chain)
    for top, id, names in rows:
        found[top] = (id, tuple(sorted(names.split("\n"))) if names else ())
    return found
