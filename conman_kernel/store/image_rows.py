"""Images and layers in the index: stored, found, marked. Functions over a connection of :class:`~.index.Index`."""

from __future__ import annotations

from typing import Collection, Iterable, Sequence

from ..record import Record
from .sqlite import sqlite3


class LayerRow(Record):
    """One layer of an image, as its manifest and configuration describe it."""

    chain_id: str
    diff_id: str
    blob_digest: str
    blob_size: int
    media_type: str


class ImageRow(Record):
    """What is stored of an image. Documents are the exact bytes. Times are seconds since the epoch."""

    id: str
    config_digest: str
    config: bytes
    manifest_digest: str
    manifest_type: str
    manifest: bytes
    platform: str
    top_chain_id: str
    size: int
    created: float
    pulled: float
    layers: tuple[LayerRow, ...]


class Committed(Record):
    """A layer that a storage driver holds. ``size`` is of the uncompressed tar, bytes."""

    driver: str
    chain_id: str
    parent: str | None
    diff_id: str
    size: int


_IMAGES = """
SELECT i.id, i.config, i.manifest_digest, i.platform, i.top_chain_id, i.size, i.created, i.pulled,
  (SELECT group_concat(n.name, char(10)) FROM image_names n WHERE n.image_id = i.id) AS names,
  (SELECT group_concat(d.name || '@' || d.digest, char(10)) FROM image_digests d WHERE d.image_id = i.id) AS digests,
  (SELECT group_concat(l.driver, char(10)) FROM layers l WHERE l.chain_id = i.top_chain_id) AS drivers
FROM images i
"""


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


def by_names(db: sqlite3.Connection, names: Sequence[str]) -> sqlite3.Row | None:
    """The image that the first of ``names`` which exists points at."""
    order = " ".join(f"WHEN ? THEN {n}" for n in range(len(names)))
    found: sqlite3.Row | None = db.execute(
        f"{_IMAGES} JOIN image_names m ON m.image_id = i.id WHERE m.name IN ({_marks(names)}) "
        f"ORDER BY CASE m.name {order} END LIMIT 1", (*names, *names)).fetchone()
    return found


def by_digest(db: sqlite3.Connection, names: Sequence[str], digest: str) -> sqlite3.Row | None:
    """The image known as ``name@digest``, for the first of ``names`` (repositories)."""
    order = " ".join(f"WHEN ? THEN {n}" for n in range(len(names)))
    found: sqlite3.Row | None = db.execute(
        f"{_IMAGES} JOIN image_digests m ON m.image_id = i.id WHERE m.digest = ? AND m.name IN ({_marks(names)}) "
        f"ORDER BY CASE m.name {order} END LIMIT 1", (digest, *names, *names)).fetchone()
    return found


def by_any_digest(db: sqlite3.Connection, digest: str) -> sqlite3.Row | None:
    """The image whose manifest or index has this digest."""
    found: sqlite3.Row | None = db.execute(
        f"{_IMAGES} WHERE i.manifest_digest = :digest OR i.id IN "
        "(SELECT image_id FROM image_digests WHERE digest = :digest) LIMIT 1", {"digest": digest}).fetchone()
    return found


def by_id_prefix(db: sqlite3.Connection, prefix: str, limit: int = 2) -> list[sqlite3.Row]:
    """Up to ``limit`` images whose id begins with these hexadecimal digits."""
    return db.execute(f"{_IMAGES} WHERE i.id >= ? AND i.id < ? LIMIT ?", (prefix, prefix + "g", limit)).fetchall()


def by_name_tail(db: sqlite3.Connection, tail: str) -> list[sqlite3.Row]:
    """The images with a name that ends with ``/tail``, by name."""
    escaped = tail.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return db.execute(f"{_IMAGES} JOIN image_names m ON m.image_id = i.id WHERE m.name LIKE ? ESCAPE '\\' "
                      "ORDER BY m.name", (f"%/{escaped}",)).fetchall()


def every(db: sqlite3.Connection) -> list[sqlite3.Row]:
    """All images, the newest first."""
    return db.execute(f"{_IMAGES} ORDER BY i.created DESC, i.id").fetchall()


def target_of(db: sqlite3.Connection, name: str) -> str:
    """The digest that a name resolved to when it was pulled last; empty where it is not known."""
    found = db.execute("SELECT target_digest FROM image_names WHERE name = ?", (name,)).fetchone()
    return str(found[0]) if found else ""


def document(value: object) -> bytes:
    """A stored document's bytes: text where it is UTF-8, else a blob."""
    return value.encode() if isinstance(value, str) else bytes(value) if isinstance(value, bytes) else b""


def config_of(db: sqlite3.Connection, image_id: str) -> bytes | None:
    """The stored configuration of an image, or None."""
    found = db.execute("SELECT config FROM images WHERE id = ?", (image_id,)).fetchone()
    return document(found[0]) if found else None


def manifest_digest_of(db: sqlite3.Connection, image_id: str) -> str:
    """The digest of an image's manifest; empty where there is no such image."""
    found = db.execute("SELECT manifest_digest FROM images WHERE id = ?", (image_id,)).fetchone()
    return str(found[0]) if found else ""


def layers_of(db: sqlite3.Connection, image_id: str) -> list[LayerRow]:
    """An image's layers, lowest first."""
    rows = db.execute("SELECT chain_id, diff_id, blob_digest, blob_size, media_type FROM image_layers "
                      "WHERE image_id = ? ORDER BY position", (image_id,))
    return [LayerRow(*row) for row in rows]


def put_image(db: sqlite3.Connection, image: ImageRow) -> None:
    """Store an image, or renew what is stored of it. Its names are kept."""
    db.execute(
        "INSERT INTO images (id, config_digest, config, manifest_digest, manifest_type, manifest, platform, "
        "top_chain_id, size, created, pulled) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET "
        "manifest_digest = excluded.manifest_digest, manifest_type = excluded.manifest_type, "
        "manifest = excluded.manifest, size = excluded.size, pulled = excluded.pulled",
        (image.id, image.config_digest, _stored(image.config), image.manifest_digest, image.manifest_type,
         _stored(image.manifest), image.platform, image.top_chain_id, image.size, image.created, image.pulled))
    db.execute("DELETE FROM image_layers WHERE image_id = ?", (image.id,))
    db.executemany("INSERT INTO image_layers (image_id, position, chain_id, diff_id, blob_digest, blob_size, "
                   "media_type) VALUES (?,?,?,?,?,?,?)", [(image.id, n, *row) for n, row in enumerate(image.layers)])


def _stored(data: bytes) -> str | bytes:
    # A document is text almost always; bytes that are none must come out as they went in, or its digest would be lost.
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


def put_name(db: sqlite3.Connection, name: str, image_id: str, target_digest: str, now: float) -> None:
    """Let a name point at an image; the image it pointed at before keeps its other names, and is no longer known by digest
    in a repository where it has none left."""
    before = db.execute("SELECT image_id FROM image_names WHERE name = ? AND image_id <> ?", (name, image_id)).fetchone()
    db.execute("INSERT INTO image_names (name, image_id, target_digest, updated) VALUES (?,?,?,?) "
               "ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id, "
               "target_digest = excluded.target_digest, updated = excluded.updated",
               (name, image_id, target_digest, now))
    if before is not None:
        _forget_digests(db, before[0], name)


def put_digest(db: sqlite3.Connection, repository: str, digest: str, image_id: str) -> None:
    """Let ``repository@digest`` stand for an image."""
    db.execute("INSERT OR REPLACE INTO image_digests (name, digest, image_id) VALUES (?,?,?)",
               (repository, digest, image_id))


def remove_name(db: sqlite3.Connection, name: str) -> None:
    """Take a name away, and with the last one in a repository the digests in it; nothing there is no error."""
    before = db.execute("SELECT image_id FROM image_names WHERE name = ?", (name,)).fetchone()
    if before is not None:
        db.execute("DELETE FROM image_names WHERE name = ?", (name,))
        _forget_digests(db, before[0], name)


def _forget_digests(db: sqlite3.Connection, image_id: str, name: str) -> None:
    repository = name.rpartition(":")[0]
    db.execute("DELETE FROM image_digests WHERE image_id = :image AND name = :repository AND NOT EXISTS ("
               "SELECT 1 FROM image_names WHERE image_id = :image "
               "AND substr(name, 1, length(:repository) + 1) = :repository || ':')",
               {"image": image_id, "repository": repository})


def remove_image(db: sqlite3.Connection, image_id: str) -> None:
    """Take an image's rows away, its names included. Its layers become garbage unless others use them."""
    for table in ("image_names", "image_digests", "image_layers"):
        db.execute(f"DELETE FROM {table} WHERE image_id = ?", (image_id,))
    db.execute("DELETE FROM images WHERE id = ?", (image_id,))


def take_mount(db: sqlite3.Connection, image_id: str) -> tuple[tuple[str, str], ...]:
    """Forget that an image is shown. :returns: driver and key of the view, where there is one."""
    rows = db.execute("DELETE FROM image_mounts WHERE image_id = ? RETURNING driver, key", (image_id,)).fetchall()
    return tuple((row[0], row[1]) for row in rows)


def users(db: sqlite3.Connection, image_id: str) -> list[tuple[str, str]]:
    """Id and name of the containers made from an image."""
    rows = db.execute("SELECT id, name FROM containers WHERE image_id = ? ORDER BY num", (image_id,))
    return [(row[0], row[1]) for row in rows]


def used(db: sqlite3.Connection) -> dict[str, int]:
    """Ids of the images that containers were made from, and of how many."""
    return {row[0]: row[1] for row in db.execute("SELECT image_id, count(*) FROM containers GROUP BY image_id")}


def committed(db: sqlite3.Connection, driver: str, chain_ids: Sequence[str]) -> dict[str, int]:
    """Which of the layers a driver holds: chain id -> size."""
    rows = db.execute(f"SELECT chain_id, size FROM layers WHERE driver = ? AND chain_id IN ({_marks(chain_ids)})",
                      (driver, *chain_ids))
    return {row[0]: row[1] for row in rows}


def drivers_of(db: sqlite3.Connection, chain_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Driver and chain id of every copy of these layers."""
    rows = db.execute(f"SELECT driver, chain_id FROM layers WHERE chain_id IN ({_marks(chain_ids)})", tuple(chain_ids))
    return [(row[0], row[1]) for row in rows]


def put_layer(db: sqlite3.Connection, layer: Committed, now: float) -> None:
    """Note that a driver holds a layer; twice is no error."""
    db.execute("INSERT OR IGNORE INTO layers (chain_id, driver, parent, diff_id, size, created) VALUES (?,?,?,?,?,?)",
               (layer.chain_id, layer.driver, layer.parent, layer.diff_id, layer.size, now))


def remove_layers(db: sqlite3.Connection, layers: Iterable[tuple[str, str]]) -> None:
    """Take away the rows of (driver, chain id)."""
    db.executemany("DELETE FROM layers WHERE driver = ? AND chain_id = ?", list(layers))


def put_blobs(db: sqlite3.Connection, blobs: Iterable[tuple[str, int, str]]) -> None:
    """Note that blobs (digest, size, media type) are kept."""
    db.executemany("INSERT OR IGNORE INTO blobs (digest, size, media_type) VALUES (?,?,?)", list(blobs))


PLACE_DAYS = 90
"""How long it is remembered where a blob was seen: registries clear up, too."""


def put_places(db: sqlite3.Connection, repository: str, digests: Iterable[str], now: float) -> None:
    """Note that a repository (``host/path``) holds blobs."""
    db.executemany("INSERT OR REPLACE INTO blob_places (digest, repository, seen) VALUES (?,?,?)",
                   [(digest, repository, now) for digest in digests])
    db.execute("DELETE FROM blob_places WHERE seen < ?", (now - PLACE_DAYS * 86400,))


def places_of(db: sqlite3.Connection, digest: str) -> tuple[str, ...]:
    """The repositories in which a blob was seen, the latest first."""
    return tuple(row[0] for row in db.execute(
        "SELECT repository FROM blob_places WHERE digest = ? ORDER BY seen DESC, repository", (digest,)))


def remove_blobs(db: sqlite3.Connection, digests: Iterable[str]) -> None:
    """Take away the rows of blobs."""
    db.executemany("DELETE FROM blobs WHERE digest = ?", [(digest,) for digest in digests])


def everything(db: sqlite3.Connection) -> tuple[list[tuple[str, str]], list[str]]:
    """Every layer as (driver, chain id), and every kept blob."""
    layers = [(row[0], row[1]) for row in db.execute("SELECT driver, chain_id FROM layers")]
    return layers, [row[0] for row in db.execute("SELECT digest FROM blobs")]


def unused_layers(db: sqlite3.Connection, layers: Iterable[tuple[str, str]],
                  leased: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of (driver, chain id) no image, no container and none of ``leased`` needs."""
    used = {(row[0], row[1]) for row in db.execute("""
        WITH RECURSIVE used(driver, chain_id) AS (
            SELECT storage, image_chain_id FROM containers
            UNION SELECT l.driver, l.parent FROM layers l JOIN used u ON l.driver = u.driver AND l.chain_id = u.chain_id
            WHERE l.parent IS NOT NULL)
        SELECT driver, chain_id FROM used""")}
    return [layer for layer in dict.fromkeys(layers) if layer not in used and layer not in leased
            and db.execute("SELECT 1 FROM image_layers WHERE chain_id = ? LIMIT 1", (layer[1],)).fetchone() is None]


def unknown_layers(db: sqlite3.Connection, layers: Iterable[tuple[str, str]],
                   leased: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of (driver, chain id) have no row, and neither a container nor ``leased`` needs: a driver may hold them all the same,
    where somebody was killed between the two."""
    return [layer for layer in dict.fromkeys(layers) if layer not in leased
            and db.execute("SELECT 1 FROM layers WHERE driver = ? AND chain_id = ?", layer).fetchone() is None
            and db.execute("SELECT 1 FROM containers WHERE storage = ? AND image_chain_id = ?", layer).fetchone() is None]


def unused_blobs(db: sqlite3.Connection, digests: Iterable[str], leased: Collection[str]) -> list[str]:
    """Which of the blobs no image and none of ``leased`` needs."""
    needs = ("SELECT 1 FROM image_layers WHERE blob_digest = :digest UNION ALL "
             "SELECT 1 FROM images WHERE config_digest = :digest OR manifest_digest = :digest LIMIT 1")
    return [digest for digest in dict.fromkeys(digests)
            if digest not in leased and db.execute(needs, {"digest": digest}).fetchone() is None]
