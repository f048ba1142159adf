"""A new image of a layer that was made here: blob, snapshot, documents, rows; each named in a lease before it is made."""

from __future__ import annotations

import os
import time
from typing import Sequence

from ..cancel import Cancel
from ..errors import DigestMismatch, NotFound
from ..oci import digest as digests
from ..oci.descriptor import Descriptor
from ..oci.image_config import created_seconds, parse_config
from ..oci.media_types import layer_type
from ..oci.recipe import Recipe, configuration, manifest
from ..oci.reference import parse
from ..record import Record
from ..slots.transport import BlobStream, OpenRequest, Resolved, ResolveRequest
from ..store import image_rows
from ..store.image_rows import ImageRow, LayerRow
from ..store.sqlite import sqlite3
from ..worker.jobs import PackResult
from . import leases
from .bring import Bringing
from .fetch import Source
from .leases import Items
from .parts import Parts


class Base(Record):
    """What a new image stands on. :param config: None: nothing. :param layers: lowest first; none with a squashed image."""

    config: bytes | None
    layers: tuple[LayerRow, ...]


def base_of(db: sqlite3.Connection, image_id: str, *, squash: bool) -> Base:
    """An image as the base of another. :raises NotFound: it is gone."""
    config = image_rows.config_of(db, image_id)
    if config is None:
        raise NotFound(f"{image_id}: image not known")
    return Base(config, () if squash else tuple(image_rows.layers_of(db, image_id)))


def make(parts: Parts, *, storage: str, lease: str, base: Base, packed: PackResult, fd: int, recipe: Recipe,
         names: Sequence[str], what: str, cancel: Cancel) -> str:
    """Let a packed layer on a base be an image.

    The layer is unpacked from what was packed, into ``storage``: tree and blob are then the same, whatever was packed. Its blob
    is kept whatever ``keep_blobs`` says, for there is no other copy of it.

    :param lease: of the caller; it goes in the transaction that records the image.
    :param fd: the packed layer, an unnamed file of the store.
    :param names: whole names.
    :param what: names the image in messages.
    :returns: the image's id.
    """
    layer = Descriptor(layer_type("gzip", docker=recipe.format == "docker"), packed.digest, packed.size)
    chain = digests.chain_ids([*(row.diff_id for row in base.layers), packed.diff_id])
    rows = (*base.layers, LayerRow(chain[-1], packed.diff_id, layer.digest, layer.size, layer.media_type))
    config = configuration(recipe, [row.diff_id for row in rows], base.config, squashed=not base.layers)
    with parts.database.write() as db:
        leases.add(db, lease, Items(blobs=(layer.digest,)))
    parts.blobs.adopt(fd, layer, cancel)
    kept = parts._replace(default_storage=storage, keep_blobs=True)
    bringing = Bringing(kept, what, Source(_Nowhere(), ""), lambda event: None, cancel)
    try:
        bringing.bring(rows)
        return _record(kept, config, rows, recipe, names, (lease, bringing.lease))
    except BaseException:
        bringing.release()
        raise


def _record(parts: Parts, config: bytes, rows: tuple[LayerRow, ...], recipe: Recipe, names: Sequence[str],
            done: tuple[str, ...]) -> str:
    document, described = manifest(recipe.format, config,
                                   [Descriptor(row.media_type, row.blob_digest, row.blob_size) for row in rows])
    parsed = parse_config(config, "the new image's configuration")
    config_digest, now = digests.digest_of(config), time.time()
    image_id = digests.split(config_digest)[1]
    with parts.database.write() as db:
        sizes = image_rows.committed(db, parts.default_storage, [row.chain_id for row in rows])
        if any(row.chain_id not in sizes for row in rows):
            raise DigestMismatch("a layer of the new image vanished while it was made", hint="try again")
        image_rows.put_image(db, ImageRow(
            id=image_id, config_digest=config_digest, config=config, manifest_digest=described.digest,
            manifest_type=described.media_type, manifest=document, platform=str(parsed.platform), top_chain_id=rows[-1].chain_id,
            size=sum(sizes.values()), created=created_seconds(parsed.created), pulled=now, layers=rows))
        for name in names:
            image_rows.put_name(db, name, image_id, described.digest, now)
            image_rows.put_digest(db, parse(name).repository, described.digest, image_id)
        image_rows.put_blobs(db, [(rows[-1].blob_digest, rows[-1].blob_size, rows[-1].media_type)])
        leases.drop(db, done)
    return image_id


class Unnamed:
    """An unnamed file of the store, for the length of a block."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.fd = -1

    def __enter__(self) -> int:
        self.fd = self._parts.blobs.unnamed()
        return self.fd

    def __exit__(self, *details: object) -> None:
        os.close(self.fd)


class _Nowhere:
    """Where nothing comes from: what a new image stands on is here."""

    def resolve(self, request: ResolveRequest) -> Resolved:
        raise NotFound("an image that is being made is not resolved")

    def open(self, request: OpenRequest) -> BlobStream:
        raise NotFound(f"layer {request.descriptor.digest} is not here", hint="conman system check --repair brings it again")

    def close(self) -> None:
        return None
