"""An image's root file system, shown read-only for the length of a block.

A view of the topmost layer is mounted below ``--run-root``, under a lease that names it before it is made: what a killed
process leaves is taken away with its lease, by the next command that clears (:func:`.collection.clear_dead`).
"""

from __future__ import annotations

from types import TracebackType

from ..cancel import Cancel
from ..errors import InvalidState, NotFound
from ..mounts import mount_all
from ..slots.storage import KeyRequest, PrepareRequest
from ..store import image_rows
from ..store.sqlite import sqlite3
from . import leases
from .collection import clear_dead, release
from .leases import Items
from .mounted import standing
from .parts import Parts
from .records import ImageRecord


class Mounted:
    """A context manager that gives the path of a mounted image. May be entered again after it was left.

    :param record: an image whose layers are in ``record.storage``.
    :param cancel: watched while it is being mounted; leaving the block is not to be cancelled.
    """

    def __init__(self, parts: Parts, record: ImageRecord, cancel: Cancel) -> None:
        self._parts = parts
        self._record = record
        self._cancel = cancel
        self._lease = ""

    def __enter__(self) -> str:
        """Mount it.

        :returns: the mount point.
        :raises NotFound: the image is gone.
        :raises InvalidState: it is entered already.
        :raises Unavailable: the system refuses to mount.
        """
        if self._lease:
            raise InvalidState(f"image {self._record.id[:12]} is mounted by this object already",
                               hint="call mount() again for a second mount")
        clear_dead(self._parts, self._cancel)
        lease = leases.new_id()
        with self._parts.database.write() as db:
            leases.take(db, "mount", items_of(db, self._record, key_of(lease)), lease)
        self._lease = lease
        try:
            return show(self._parts, self._record, key_of(lease), self._cancel)
        except BaseException:
            self._leave()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leave()

    def _leave(self) -> None:
        lease, self._lease = self._lease, ""
        release(self._parts, [lease], Cancel())


def key_of(lease: str) -> str:
    """The key of the view that a lease's image is shown by."""
    return f"mount-{lease}"


def items_of(db: sqlite3.Connection, record: ImageRecord, key: str) -> Items:
    """What a lease holds while an image is shown: its layers and the view.

    :raises NotFound: the image is gone.
    """
    if image_rows.config_of(db, record.id) is None:
        raise NotFound(f"{record.id}: image not known", hint="it was removed just now")
    layers = image_rows.layers_of(db, record.id)
    return Items(tuple((record.storage, layer.chain_id) for layer in layers), ((record.storage, key),))


def show(parts: Parts, record: ImageRecord, key: str, cancel: Cancel) -> str:
    """Mount a view of an image, which a lease or a row of ``image_mounts`` names already.

    :returns: the mount point.
    :raises Unavailable: the system refuses to mount.
    """
    driver = parts.storage(record.storage)
    driver.view(PrepareRequest(key, record.top_chain_id or None, cancel))
    where = parts.layout.ensure(standing(parts.layout, key))
    mount_all(driver.mounts(KeyRequest(key, cancel)), where)
    return where
