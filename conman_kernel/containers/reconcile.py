"""What a killed command has left: found by the next one, and brought to an end or cleared. Cheap where there is nothing."""

from __future__ import annotations

import os

from ..cancel import Cancel
from ..errors import ConmanError, DeadlineExceeded
from ..processes import alive, boot_id
from . import rows
from .context import Context
from .paths import shim_alive
from .rows import ContainerRow
from .state import HELD, INITIALIZED, is_held

_PATIENCE_SECONDS = 5.0
"""How long another command may take to settle a container before this one goes on without."""


def reconcile(context: Context) -> None:
    """Settle every container whose recorded state nothing upholds any more.

    Containers that somebody is at work on (their owner or shim lives) are left alone. One that cannot be settled is
    reported to the log and does not hold up the others.
    """
    if os.path.exists(context.layout.root + "/copies"):
        from .copying.journal import clear_left

        clear_left(context)
    with context.index.read() as connection:
        found = rows.active(connection)
    if not found:
        return  # and so there is no exec session
    boot = boot_id()
    for row in found:
        if upheld(context, row, boot):
            continue
        try:
            # Whoever holds the lock of such a container is most likely settling it: what is shown next is to be true.
            lock = context.locks.acquire(row.num, Cancel(_PATIENCE_SECONDS))
        except DeadlineExceeded:
            continue
        with lock:
            try:
                _settle(context, row, boot)
            except (ConmanError, OSError) as error:
                context.log.warning("container %s cannot be settled: %s", row.id[:12], error)
    _settle_execs(context)


def _settle_execs(context: Context) -> None:
    with context.index.read() as connection:
        if connection.execute("SELECT 1 FROM exec_sessions WHERE state IN ('starting', 'running') LIMIT 1").fetchone() is None:
            return
    from .execs.ending import settle_all

    settle_all(context)


def upheld(context: Context, row: ContainerRow, boot: str) -> bool:
    """True where what the row says may well be so. May err on the side of True for a moment, never on the other."""
    if row.boot_id != boot:
        return False
    if alive(row.owner_pid, row.owner_start):
        return True
    if row.state in HELD and row.owner_pid:
        return False  # whoever paused it was to resume it, or had begun to start it or to change its limits, and was killed
    if row.state in (*HELD, "starting", "restarting"):
        # The shim turns into the clean-up command, under the same pid; so does the waiter of a restart.
        return shim_alive(context, row) or alive(row.shim_pid, row.shim_start)
    return False


def _settle(context: Context, row: ContainerRow, boot: str) -> None:
    with context.index.read() as connection:
        now = rows.by_id(connection, row.id)
    if now is None or now.state in ("created", "exited") or upheld(context, now, boot):
        return
    from .cleanup import finish, remove, stop_leftovers
    from .create import discard

    cancel = Cancel(30.0)
    if now.owner_pid and is_held(context, now) and shim_alive(context, now):
        # Without a shim nobody would see how it ends: it is lost, and goes.
        _taken_back(context, now, cancel)
        return
    if now.state == "creating":
        discard(context, now, known=True)
    elif now.state == "removing":
        remove(context, now, cancel)
    else:
        if now.boot_id == boot:
            stop_leftovers(context, now, cancel)
        finish(context, now, cancel)


def _taken_back(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """What a killed command had begun with a container that lives."""
    if row.state == "paused":
        from .still import resume

        resume(context, row, cancel)
    elif row.state == INITIALIZED:
        from .initialized import settle

        settle(context, row, cancel)
    else:
        from .limits import restore

        restore(context, row, cancel)
