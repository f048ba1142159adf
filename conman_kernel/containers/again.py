"""Restart: the run is ended, its clean-up done, and another begun.

While that goes on the row of the run that ends has an owner, and whoever cleans up after it leaves the container there, with
``--rm`` too. Killed in between, it is a container that was stopped.
"""

from __future__ import annotations

import os

from ..cancel import Cancel
from ..errors import InvalidState
from ..processes import start_time
from . import rows, stop
from .context import Context
from .rows import ContainerRow
from .state import is_running, refreshed
from .telling import tell


def restart(context: Context, row: ContainerRow, *, timeout: int | None, cancel: Cancel) -> ContainerRow:
    """End a container as :func:`.stop.stop` does, where it runs, and start it.

    :returns: the row as it is now.
    :raises InvalidState: it is paused, or being removed.
    :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: it was stopped, and the runtime refused to start it again.
    """
    from . import initialized
    from .start import release, start

    if _begun(context, row, cancel):
        try:
            stop.end(context, row, timeout=timeout, cancel=cancel)
        except BaseException:
            _left(context, row)
            raise
    early = initialized.go_on(context, row, cancel)
    if early is not None:
        now = early[0]
    else:
        started = start(context, row, cancel=cancel)
        now = refreshed(context, row.id) if started is None else started.row
        if started is not None:
            release(started)
    tell(context, now, "restart")
    return now


def _begun(context: Context, row: ContainerRow, cancel: Cancel) -> bool:
    """Say that the run which goes on is to be followed by another; False: there is none."""
    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        if not is_running(context, now):
            return False
        if now.state == "paused":
            raise InvalidState("unable to restart a container in a paused or unknown state: container state improper",
                               hint=f"conman unpause {now.name}")
        with context.index.write() as connection:
            rows.update(connection, now.id, owner_pid=os.getpid(), owner_start=start_time(os.getpid()))
        return True


def _left(context: Context, row: ContainerRow) -> None:
    with context.index.write() as connection:
        connection.execute("UPDATE containers SET owner_pid = 0, owner_start = 0 WHERE id = ? AND state = 'running' "
                           "AND owner_pid = ?", (row.id, os.getpid()))
