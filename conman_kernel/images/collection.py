"""Collection: what no image, no container and no living process needs goes away. Mark and sweep from rows and leases.

Order, so that a kill at any line leaves what the next collection finishes: the doomed are listed in a lease, their rows
go in one transaction, then the snapshots and blobs, then the lease. One collection runs at a time (a lock); whoever
finds that a driver already holds a layer he made waits for it, see :mod:`.layers`.
"""

from __future__ import annotations

from typing import Collection

from ..cancel import Cancel
from ..errors import ConmanError, InvalidState, PluginNotInstalled
from ..slots.storage import KeyRequest
from ..store import image_rows
from . import leases, mounted
from .leases import Items
from .parts import Parts

LOCK = 0
"""The number of the lock that a collection holds. Containers' numbers begin at 1."""


def clear_dead(parts: Parts, cancel: Cancel) -> None:
    """Finish what killed processes were doing. One query where there is nothing to do.

    What cannot be finished now (its storage plugin is not installed any more) is told of, and holds nobody up.
    """
    with parts.database.read() as db:
        found = leases.dead(db)
    for lease, purpose in found.items():
        try:
            release(parts, [lease], cancel, interrupted=purpose == "pull")  # a pull may well be tried again
        except ConmanError as error:
            cancel.check()
            parts.log.warning("what a killed command left cannot be cleared yet: %s", error.message)


def release(parts: Parts, lease_ids: Collection[str], cancel: Cancel, *, interrupted: bool = False) -> None:
    """End leases, and remove what they held where nobody else needs it.

    :param lease_ids: of this process, or of dead ones.
    :param interrupted: the person may well try again: blobs become partial content instead of going at once.
    :raises ConmanError: of a storage driver; the leases stay, to be finished later.
    """
    with parts.locks.acquire(LOCK, cancel):
        with parts.database.write() as db:
            mine = leases.held(db, by=lease_ids)
            others = leases.held(db, without=lease_ids)
            layers = image_rows.unused_layers(db, mine.layers, set(others.layers))
            layers += image_rows.unknown_layers(db, mine.layers, set(others.layers).union(layers))
            blobs = image_rows.unused_blobs(db, mine.blobs, set(others.blobs))
            image_rows.remove_layers(db, layers)
            image_rows.remove_blobs(db, blobs)
        _sweep(parts, Items(tuple(layers), mine.snapshots), lease_ids, cancel)
        for digest in blobs:
            if interrupted:
                parts.blobs.demote(digest)
            else:
                parts.blobs.remove(digest)
        with parts.database.write() as db:
            leases.drop(db, lease_ids)


def collect(parts: Parts, cancel: Cancel) -> None:
    """Look through everything: whatever nobody needs goes, however it came to be left."""
    clear_dead(parts, cancel)
    with parts.database.write() as db:
        layers, blobs = image_rows.everything(db)
        lease = leases.take(db, "collect", Items(layers=tuple(layers), blobs=tuple(blobs)))
    release(parts, [lease], cancel)


def _sweep(parts: Parts, items: Items, lease_ids: Collection[str], cancel: Cancel) -> None:
    here = _installed(parts, {name for name, _ in (*items.snapshots, *items.layers)})
    for name, key in items.snapshots:
        mounted.clear(parts.layout, key)
        if name in here:
            parts.storage(name).remove(KeyRequest(key, cancel))
    pending = [layer for layer in items.layers if layer[0] in here]
    while pending:
        # A layer goes after those above it; how they are stacked is the driver's knowledge.
        refused: list[tuple[str, str]] = []
        last: ConmanError | None = None
        for name, chain_id in pending:
            try:
                parts.storage(name).remove(KeyRequest(chain_id, cancel))
            except InvalidState as error:
                refused.append((name, chain_id))
                last = error
        if last is not None and len(refused) == len(pending):
            refused = _unwanted(parts, refused, lease_ids)
            if refused:
                raise last
        pending = refused


def _installed(parts: Parts, names: Collection[str]) -> set[str]:
    """Those that are; what others hold stays behind, and that is said."""
    found = set()
    for name in sorted(names):
        try:
            parts.storage(name)
        except PluginNotInstalled:
            parts.log.warning("layers stay behind in %s: the plugin %s is not installed; once it is again, conman system check "
                              "--repair removes them", parts.layout.plugin_state(name), name)
        else:
            found.add(name)
    return found


def _unwanted(parts: Parts, layers: list[tuple[str, str]], lease_ids: Collection[str]) -> list[tuple[str, str]]:
    # A pull that began after the rows went may unpack on top of what was still there: it joins that layer when it commits,
    # and removes it should it fail.
    with parts.database.read() as db:
        wanted = {*leases.held(db, without=lease_ids).layers, *image_rows.everything(db)[0]}
    return [layer for layer in layers if layer not in wanted]
