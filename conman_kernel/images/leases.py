"""Leases: what a living process works on and nobody may collect. Rows that name the process; a dead one's are cleared.

Items are ``layer`` (driver and chain id), ``snapshot`` (driver and key) and ``blob`` (digest). They are written before
the thing they name is made, so whatever a killed process leaves behind is listed in its lease.
"""

from __future__ import annotations

import os
import time
from typing import Collection, Iterable

from ..processes import alive, boot_id, start_time
from ..record import Record
from ..store.sqlite import sqlite3


class Items(Record):
    """What one or more leases hold. Layers are (driver, chain id), snapshots (driver, key)."""

    layers: tuple[tuple[str, str], ...] = ()
    snapshots: tuple[tuple[str, str], ...] = ()
    blobs: tuple[str, ...] = ()


def take(db: sqlite3.Connection, purpose: str, items: Items, lease: str = "") -> str:
    """Write a lease of this process.

    :param lease: its id where the caller needs to know it before; 16 hexadecimal digits.
    :returns: its id.
    """
    lease = lease or new_id()
    pid = os.getpid()
    db.execute("INSERT INTO leases (id, pid, pid_start, boot_id, created, purpose) VALUES (?,?,?,?,?,?)",
               (lease, pid, start_time(pid), boot_id(), time.time(), purpose))
    add(db, lease, items)
    return lease


def add(db: sqlite3.Connection, lease: str, items: Items) -> None:
    """Let a lease of this process hold more."""
    rows = [(lease, "layer", " ".join(layer)) for layer in items.layers]
    rows += [(lease, "snapshot", " ".join(snapshot)) for snapshot in items.snapshots]
    rows += [(lease, "blob", blob) for blob in items.blobs]
    db.executemany("INSERT OR IGNORE INTO lease_items (lease_id, kind, item) VALUES (?,?,?)", rows)


def new_id() -> str:
    """A fresh lease id."""
    return os.urandom(8).hex()


def drop(db: sqlite3.Connection, leases: Iterable[str]) -> None:
    """Take leases away; nothing there is no error."""
    db.executemany("DELETE FROM leases WHERE id = ?", [(lease,) for lease in leases])


def dead(db: sqlite3.Connection) -> dict[str, str]:
    """The leases whose process is gone, or which are from before a reboot, and what each was for."""
    rows = db.execute("SELECT id, pid, pid_start, boot_id, purpose FROM leases").fetchall()
    now = boot_id() if rows else ""
    return {row[0]: row[4] for row in rows if row[3] != now or not alive(row[1], row[2])}


def held(db: sqlite3.Connection, *, by: Collection[str] | None = None, without: Collection[str] = ()) -> Items:
    """What leases hold: those named by ``by`` (all where None), except those in ``without``."""
    found: dict[str, list[str]] = {"layer": [], "snapshot": [], "blob": []}
    for lease, kind, item in db.execute("SELECT lease_id, kind, item FROM lease_items"):
        if (by is None or lease in by) and lease not in without:
            found.setdefault(kind, []).append(item)
    return Items(tuple(_pair(item) for item in found["layer"]), tuple(_pair(item) for item in found["snapshot"]),
                 tuple(found["blob"]))


def _pair(item: str) -> tuple[str, str]:
    first, _, second = item.partition(" ")
    return first, second
