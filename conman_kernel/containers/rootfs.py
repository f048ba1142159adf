"""A container's root file system on the host: mounted while it runs or ``conman mount`` holds it."""

from __future__ import annotations

import os

from ..cancel import Cancel
from ..mounts import is_mounted, mount_all, unmount
from ..processes import boot_id
from ..slots.storage import KeyRequest
from . import rows
from .context import Context
from .rows import ContainerRow


def path(context: Context, row: ContainerRow) -> str:
    """Where it is mounted; the folder may not exist."""
    return context.layout.container_run(row.id) + "/rootfs"


def ensure_mounted(context: Context, row: ContainerRow, cancel: Cancel) -> str:
    """Mount it unless it is mounted. The caller holds the container's lock.

    :returns: the mount point.
    """
    target = path(context, row)
    context.layout.ensure(target)
    if not is_mounted(target):
        mount_all(context.driver_of(row).mounts(KeyRequest(row.id, cancel)), target)
    return target


def hold(context: Context, row: ContainerRow, cancel: Cancel) -> str:
    """Mount it for somebody outside, once more; :func:`let_go` is the counterpart. The caller holds the lock.

    :returns: the mount point.
    """
    count = row.mounts if is_mounted(path(context, row)) else 0
    target = ensure_mounted(context, row, cancel)
    with context.index.write() as connection:
        rows.update(connection, row.id, mounts=count + 1)
    return target


def let_go(context: Context, row: ContainerRow, *, force: bool) -> bool:
    """Give one :func:`hold` back, all of them with ``force``; unmounted where nobody needs it. The caller holds the lock.

    :returns: whether it was held at all.
    """
    held = is_held(context, row)
    left = 0 if force else max(0, row.mounts - 1)
    with context.index.write() as connection:
        rows.update(connection, row.id, mounts=left)
    if left == 0 and (row.state not in ("initialized", "running", "paused", "starting") or row.boot_id != boot_id()):
        _take_down(path(context, row))
    return held


def is_held(context: Context, row: ContainerRow) -> bool:
    """True while :func:`hold` shows it to somebody outside."""
    return row.mounts > 0 and is_mounted(path(context, row))


def release(context: Context, row: ContainerRow, *, force: bool) -> None:
    """Unmount it after the container's end, unless ``conman mount`` holds it; with ``force`` even then."""
    if row.mounts and not force:
        return
    _take_down(path(context, row))


def _take_down(target: str) -> None:
    if os.path.isdir(target):
        unmount(target)
        os.rmdir(target)
