"""What lies on the disk and what the index says of it: read, never changed.

The disk is read first. Whatever is made is named in a lease before, and in a row before the lease ends; so what was there
and is known to neither rows nor leases that are read *after* it, nobody is at work on.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import ConmanError
from ..images import leases
from ..images.leases import Items
from ..record import Record
from ..slots import STORAGE
from ..slots.storage import Info
from ..store.layout import Layout
from ..store.sqlite import sqlite3

if TYPE_CHECKING:
    from ..kernel import Conman
    from ..slots.storage import LeftoversRequest, StorageDriver


class Disk(Record):
    """What lies in the store's folders.

    :param blobs: digest -> bytes; ``strange``: paths among the blobs that are none.
    :param partials: path -> (bytes, time of the last change, whether nobody holds it).
    :param snapshots: per driver what it reports, by kind (``committed`` or ``active``, views too) and name.
    :param unusable: driver -> why it cannot be asked.
    :param folders: ids that have a folder below root, run root, or both.
    :param mounts: mount points below the run root, deepest last.
    """

    blobs: dict[str, int]
    strange: tuple[str, ...]
    partials: dict[str, tuple[int, float, bool]]
    snapshots: dict[str, dict[tuple[str, str], Info]]
    unusable: dict[str, str]
    folders: dict[str, tuple[str, ...]]
    mounts: tuple[str, ...]


class Rows(Record):
    """What the index says. ``leased`` is what any lease holds, also a dead one: that is a finding of its own."""

    blobs: dict[str, int]
    layers: dict[tuple[str, str], tuple[str | None, str, float]]
    images: dict[str, str]
    image_layers: list[tuple[str, int, str, str, str, int, str]]
    containers: list[tuple[str, str, str, str, str, str, int]]
    mounts: list[tuple[str, str, str]]
    leased: Items
    leases: frozenset[str]
    dead: list[tuple[str, str, int]]


def drivers_of(conman: Conman) -> tuple[str, ...]:
    """The storage drivers that hold anything, or could: named in a row, or with a folder of their own."""
    with conman.images.parts.database.read() as db:
        names = {row[0] for row in db.execute("SELECT driver FROM layers UNION SELECT storage FROM containers "
                                              "UNION SELECT driver FROM image_mounts")}
    known = [plugin.name for plugin in conman.plugins.list() if plugin.slot == STORAGE.group]
    names |= {name for name in known if os.path.isdir(conman.layout.plugin_state(name))}
    return tuple(sorted(names))


def read_disk(conman: Conman, cancel: Cancel) -> Disk:
    """Look at everything below root and run root."""
    layout = conman.layout
    blobs, strange = _blobs(layout)
    snapshots: dict[str, dict[tuple[str, str], Info]] = {}
    unusable: dict[str, str] = {}
    for name in drivers_of(conman):
        try:
            driver: StorageDriver = conman.plugins.get(STORAGE, name)
            snapshots[name] = {("committed" if info.kind == "committed" else "active", info.name): info
                               for info in driver.walk(cancel)}
        except ConmanError as error:
            cancel.check()
            unusable[name] = error.message
    folders: dict[str, tuple[str, ...]] = {}
    for top in (f"{layout.root}/containers", f"{layout.run_root}/containers"):
        for id in _names(top):
            folders[id] = (*folders.get(id, ()), f"{top}/{id}")
    return Disk(blobs, tuple(strange), _partials(layout), snapshots, unusable, folders, mounts_below(layout.run_root))


def read_rows(db: sqlite3.Connection) -> Rows:
    """Everything the index says of the store, in one consistent state."""
    dead = set(leases.dead(db))
    return Rows(
        blobs=dict(db.execute("SELECT digest, size FROM blobs").fetchall()),
        layers={(r[0], r[1]): (r[2], r[3], r[4])
                for r in db.execute("SELECT driver, chain_id, parent, diff_id, created FROM layers")},
        images=dict(db.execute("SELECT id, top_chain_id FROM images").fetchall()),
        image_layers=[(r[0], r[1], r[2], r[3], r[4], r[5], r[6]) for r in db.execute(
            "SELECT image_id, position, chain_id, diff_id, blob_digest, blob_size, media_type FROM image_layers "
            "ORDER BY image_id, position")],
        containers=[(r[0], r[1], r[2], r[3], r[4], r[5], r[6]) for r in db.execute(
            "SELECT id, name, state, storage, image_id, image_chain_id, mounts FROM containers ORDER BY num")],
        mounts=[(r[0], r[1], r[2]) for r in db.execute("SELECT image_id, driver, key FROM image_mounts")],
        leased=leases.held(db), leases=frozenset(row[0] for row in db.execute("SELECT id FROM leases")),
        dead=[(r[0], r[1], r[2]) for r in db.execute("SELECT id, purpose, pid FROM leases") if r[0] in dead])


def making(rows: Rows) -> frozenset[str]:
    """The keys of active snapshots that somebody is or may be making."""
    return frozenset({key for _, key in rows.leased.snapshots} | {container[0] for container in rows.containers}
                     | {key for _, _, key in rows.mounts})


def leftovers_request(rows: Rows, cancel: Cancel) -> LeftoversRequest:
    """What a driver is asked about what killed processes left."""
    from ..slots.storage import LeftoversRequest

    return LeftoversRequest(making(rows), cancel)


def mounts_below(folder: str) -> tuple[str, ...]:
    """Mount points below a folder, in the order they were made (proc(5), ``mountinfo``)."""
    with open("/proc/self/mountinfo", "rb") as stream:
        points = [os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1")) for line in stream]
    return tuple(point for point in points if point.startswith(f"{folder}/"))


def _blobs(layout: Layout) -> tuple[dict[str, int], list[str]]:
    found: dict[str, int] = {}
    strange: list[str] = []
    for algorithm in _names(layout.blobs):
        for digits in _names(f"{layout.blobs}/{algorithm}"):
            path = f"{layout.blobs}/{algorithm}/{digits}"
            if {"sha256": 64, "sha512": 128}.get(algorithm) == len(digits) and set(digits) <= set("0123456789abcdef"):
                try:
                    found[f"{algorithm}:{digits}"] = os.lstat(path).st_size
                except FileNotFoundError:
                    continue  # somebody removed it just now
            else:
                strange.append(path)
    return found, strange


def _partials(layout: Layout) -> dict[str, tuple[int, float, bool]]:
    found: dict[str, tuple[int, float, bool]] = {}
    for name in _names(layout.ingest):
        path = f"{layout.ingest}/{name}"
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            continue  # finished just now
        try:
            state = os.fstat(fd)
            found[path] = (state.st_size, state.st_mtime, _free(fd))
        finally:
            os.close(fd)
    return found


def _free(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
