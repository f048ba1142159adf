"""The index by itself: its file, and rows that point nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ..processes import boot_id
from ..store.sqlite import sqlite3
from .facts import Rows
from .findings import Finding

if TYPE_CHECKING:
    from ..kernel import Conman

DANGLING: dict[str, tuple[str, str]] = {
    "image_names": ("name", "image_id NOT IN (SELECT id FROM images)"),
    "image_digests": ("name || '@' || digest", "image_id NOT IN (SELECT id FROM images)"),
    "image_layers": ("image_id || ' ' || position", "image_id NOT IN (SELECT id FROM images)"),
    "image_mounts": ("image_id", "image_id NOT IN (SELECT id FROM images)"),
    "lease_items": ("lease_id || ' ' || kind || ' ' || item", "lease_id NOT IN (SELECT id FROM leases)"),
    "exec_sessions": ("id", "container_id NOT IN (SELECT id FROM containers)"),
    "container_volumes": ("container_id || ' ' || target", "container_id NOT IN (SELECT id FROM containers)"),
    "container_networks": ("container_id || ' ' || network", "container_id NOT IN (SELECT id FROM containers)"),
    "layers": ("driver || ' ' || chain_id", "parent IS NOT NULL AND NOT EXISTS (SELECT 1 FROM layers p "
               "WHERE p.chain_id = layers.parent AND p.driver = layers.driver)"),
}
"""Per table: what names a row, and which rows point nowhere. A layer's parent is unpacked again where an image needs it."""


def damage(db: sqlite3.Connection, *, quick: bool) -> Iterator[Finding]:
    """What SQLite says of the file. :param quick: not every page's every entry."""
    for row in db.execute("PRAGMA quick_check" if quick else "PRAGMA integrity_check"):
        if row[0] != "ok":
            yield Finding("index-damaged", str(row[0])[:200], "SQLite's integrity check",
                          "its own indexes are made anew; other damage stays")


def dangling(db: sqlite3.Connection) -> list[Finding]:
    """Rows that point at something that is not there; what only a foreign key tells of is among them."""
    found = []
    for table, (name, where) in DANGLING.items():
        for row in db.execute(f"SELECT {name} FROM {table} WHERE {where}"):
            found.append(Finding("row-dangling", f"{table} {row[0]}", "it points at something that is not there", "removed"))
    told = {finding.subject.partition(" ")[0] for finding in found}
    for row in db.execute("PRAGMA foreign_key_check"):
        if row[0] not in told:
            found.append(Finding("row-dangling", f"{row[0]} row {row[1]}", f"there is no such row in {row[2]}", ""))
    return found


def joined(db: sqlite3.Connection) -> list[Finding]:
    """Containers that do not run, of which the index says that they have something of a network."""
    return [Finding("network-left", row[0], f"{row[1]} does not run, and still has what it got in {row[2]}", "given back")
            for row in db.execute("SELECT c.id, c.name, group_concat(n.network, ', ') FROM container_networks n "
                                  "JOIN containers c ON c.id = n.container_id WHERE n.result != '' "
                                  "AND c.state IN ('created', 'exited') GROUP BY c.id ORDER BY c.num")]


def upheld(conman: Conman, rows: Rows) -> Iterator[Finding]:
    """Leases and containers in a passing state whose process is gone."""
    for lease, purpose, pid in rows.dead:
        yield Finding("lease-dead", lease, f"process {pid} was killed during: {purpose}", "what it left is removed")
    if not any(row[2] not in ("created", "exited") for row in rows.containers):
        return
    from ..containers import rows as container_rows
    from ..containers.reconcile import upheld as is_upheld

    boot, context = boot_id(), conman.containers.context
    with context.index.read() as db:
        active = container_rows.active(db)
    for row in active:
        if not is_upheld(context, row, boot):
            yield Finding("container-stale", row.id, f"{row.name} is {row.state}, and nobody upholds that", "settled")
