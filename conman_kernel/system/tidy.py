"""What nobody owns goes: rows, partial downloads, folders, mounts. Each looks once more before it acts."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import NotFound
from ..mounts import unmount
from ..slots.storage import KeyRequest
from ..support.trees import remove as remove_tree
from .check_rows import DANGLING

if TYPE_CHECKING:
    from ..images.parts import Parts
    from ..kernel import Conman


def reindex(parts: Parts) -> str:
    """Let SQLite make its own indexes anew."""
    with parts.database.write() as db:
        db.execute("REINDEX")
    return "its indexes were made anew"


def forget_mount(parts: Parts, image_id: str) -> str:
    """An image counts as mounted no more."""
    with parts.database.write() as db:
        db.execute("DELETE FROM image_mounts WHERE image_id = ?", (image_id,))
    return "forgotten"


def drop_dangling(parts: Parts, subject: str, cancel: Cancel) -> str:
    """Remove a row that points nowhere. A layer without its parent stays while an image needs it: the parent comes again, or
    the row is corrected where the driver knows better."""
    table, _, name = subject.partition(" ")
    if table not in DANGLING:
        return ""
    column, where = DANGLING[table]
    with parts.database.write() as db:
        if table == "layers":
            where += (" AND chain_id NOT IN (SELECT chain_id FROM image_layers) AND NOT EXISTS (SELECT 1 FROM containers c "
                      "WHERE c.image_chain_id = layers.chain_id)")
        changed = db.execute(f"DELETE FROM {table} WHERE {where} AND {column} = ?", (name,)).rowcount
    if changed:
        return "removed"
    return _mend_parent(parts, name, cancel) if table == "layers" else ""


def _mend_parent(parts: Parts, name: str, cancel: Cancel) -> str:
    driver, _, chain_id = name.partition(" ")
    try:
        parent = parts.storage(driver).stat(KeyRequest(chain_id, cancel)).parent
    except NotFound:
        return ""  # a finding of its own
    with parts.database.write() as db:
        changed = db.execute(
            "UPDATE layers SET parent = :parent WHERE driver = :driver AND chain_id = :chain AND parent IS NOT :parent AND "
            "(:parent IS NULL OR EXISTS (SELECT 1 FROM layers p WHERE p.driver = :driver AND p.chain_id = :parent))",
            {"driver": driver, "chain": chain_id, "parent": parent}).rowcount
    return "corrected: the driver knows what it stands on" if changed else ""


def drop_partial(parts: Parts, path: str) -> str:
    """Remove a partial download that nobody holds."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False)):
            os.unlink(path)
    except (BlockingIOError, FileNotFoundError):
        return ""  # somebody goes on with it, or has finished it
    finally:
        os.close(fd)
    return "removed"


def remove_folder(conman: Conman, path: str) -> str:
    """Remove the folder of a container that is none; what is mounted in it is unmounted first."""
    with conman.images.parts.database.read() as db:
        if db.execute("SELECT 1 FROM containers WHERE id = ?", (os.path.basename(path),)).fetchone() is not None:
            return ""
    from .facts import mounts_below

    for point in reversed(mounts_below(path)):
        unmount(point)
    remove_tree(path)
    return "removed"


def unmount_orphan(conman: Conman, point: str, cancel: Cancel) -> str:
    """Take a mount away that neither a container nor a lease wants."""
    parts = conman.images.parts
    with parts.database.read() as db:
        rows = db.execute("SELECT id, num FROM containers").fetchall()
    number = next((row[1] for row in rows if row[0] in point.split("/")), None)
    if number is None:
        unmount(point)
        return "unmounted"
    with parts.locks.acquire(number, cancel):
        with parts.database.read() as db:
            row = db.execute("SELECT state, mounts FROM containers WHERE num = ?", (number,)).fetchone()
        if row is not None and (row[0] not in ("created", "exited") or row[1]):
            return ""
        unmount(point)
    return "unmounted"


def partial_bytes(parts: Parts, *, remove: bool) -> tuple[int, int]:
    """Bytes and number of partial downloads; with ``remove`` of those that went, which is all that nobody holds."""
    before = _partials(parts)
    if not remove:
        return before
    parts.blobs.drop_partials()
    after = _partials(parts)
    return max(0, before[0] - after[0]), max(0, before[1] - after[1])


def _partials(parts: Parts) -> tuple[int, int]:
    size = count = 0
    try:
        names = os.listdir(parts.layout.ingest)
    except FileNotFoundError:
        return 0, 0
    for name in names:
        try:
            size += os.lstat(f"{parts.layout.ingest}/{name}").st_size
        except FileNotFoundError:
            continue  # finished just now
        count += 1
    return size, count


def leave_networks(conman: Conman, id: str, cancel: Cancel) -> str:
    """Give back what a container that does not run has of networks.

    :raises ConmanError: its network plugin cannot.
    """
    from ..containers.networking import leave
    from ..containers.state import refreshed

    context = conman.containers.context
    row = refreshed(context, id)
    with context.locks.acquire(row.num, cancel):
        row = refreshed(context, id)
        if row.state not in ("created", "exited"):
            return ""
        leave(context, row, cancel, must=True)
    return "given back"
