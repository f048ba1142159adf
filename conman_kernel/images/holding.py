"""Images that stay mounted beyond the command that mounted them: rows of ``image_mounts``, one a mounted image, which count."""

from __future__ import annotations

from ..cancel import Cancel
from ..errors import NotFound
from ..mounts import is_mounted, mount_all
from ..slots.storage import KeyRequest
from ..store import image_rows
from . import leases
from .collection import clear_dead, release
from .instances import items_of, key_of, show
from .leases import Items
from .mounted import standing
from .parts import Parts
from .records import ImageRecord

LOCK = (1 << 62) - 1
"""The number of the lock that orders these; containers' numbers never come there."""


def hold(parts: Parts, record: ImageRecord, cancel: Cancel) -> str:
    """See :meth:`.service.Images.hold`."""
    clear_dead(parts, cancel)
    with parts.locks.acquire(LOCK, cancel):
        with parts.database.read() as db:
            row = db.execute("SELECT driver, key FROM image_mounts WHERE image_id = ?", (record.id,)).fetchone()
        if row is None:
            return _first(parts, record, cancel)
        path = standing(parts.layout, row[1])
        again = is_mounted(path)
        if not again:  # the host was rebooted, or somebody unmounted it
            mounts = parts.storage(row[0]).mounts(KeyRequest(row[1], cancel))
            mount_all(mounts, parts.layout.ensure(path))
        with parts.database.write() as db:
            changed = db.execute("UPDATE image_mounts SET mounts = CASE WHEN ? THEN mounts + 1 ELSE 1 END WHERE image_id = ?",
                                 (again, record.id)).rowcount
        if not changed:
            raise NotFound(f"{record.id}: image not known", hint="it was removed just now")
        return path


def _first(parts: Parts, record: ImageRecord, cancel: Cancel) -> str:
    lease = leases.new_id()
    with parts.database.write() as db:
        leases.take(db, "mount", items_of(db, record, key_of(lease)), lease)
    try:
        path = show(parts, record, key_of(lease), cancel)
        with parts.database.write() as db:
            if image_rows.config_of(db, record.id) is None:
                raise NotFound(f"{record.id}: image not known", hint="it was removed just now")
            db.execute("INSERT INTO image_mounts (image_id, driver, key, mounts) VALUES (?,?,?,1)",
                       (record.id, record.storage, key_of(lease)))
            leases.drop(db, [lease])
    except BaseException:
        release(parts, [lease], Cancel())
        raise
    return path


def let_go(parts: Parts, record: ImageRecord, *, force: bool, cancel: Cancel) -> bool:
    """See :meth:`.service.Images.let_go`."""
    with parts.locks.acquire(LOCK, cancel):
        with parts.database.write() as db:
            row = db.execute("SELECT mounts FROM image_mounts WHERE image_id = ?", (record.id,)).fetchone()
            if row is None:
                return False
            if row[0] > 1 and not force:
                db.execute("UPDATE image_mounts SET mounts = mounts - 1 WHERE image_id = ?", (record.id,))
                return True
            lease = leases.take(db, "unmount", Items(snapshots=image_rows.take_mount(db, record.id)))
        release(parts, [lease], cancel)
    return True


def held(parts: Parts) -> tuple[tuple[str, str], ...]:
    """Image ids and mount points, of those that are mounted now."""
    with parts.database.read() as db:
        rows = db.execute("SELECT image_id, key FROM image_mounts ORDER BY image_id").fetchall()
    found = [(row[0], standing(parts.layout, row[1])) for row in rows]
    return tuple((id, path) for id, path in found if is_mounted(path))
