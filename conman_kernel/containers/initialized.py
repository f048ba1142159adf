"""A container that is created at its runtime and not started: made so by ``init``, set going by ``start``.

Its shim was released when that was done, as after a start: it reads an output on which nothing comes before the runtime's start.
A session that joins before that start misses nothing, but is none of the foreground: that is granted while the shim is told of
the start by whoever had it create.

While somebody starts it the row is his. Killed in between, the next command asks the runtime how far that got.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable

from ..cancel import Cancel
from ..errors import InvalidState
from ..processes import start_time
from . import rows
from .context import Context
from .rows import ContainerRow
from .state import INITIALIZED, is_held, refreshed
from .telling import tell

if TYPE_CHECKING:
    from .session import SocketSession


def init(context: Context, row: ContainerRow, cancel: Cancel) -> ContainerRow:
    """Create a container at its runtime: its file system is mounted, its process is there and waits.

    :returns: the row as it is now.
    :raises InvalidState: that was done already, or it runs.
    :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused; the container is as before.
    """
    from .start import create_only

    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        if is_held(context, now):
            raise InvalidState(f"container {now.id} has already been created in runtime: container state improper")
        return create_only(context, now, cancel)


def go_on(context: Context, row: ContainerRow, cancel: Cancel, *,
          join: Callable[[str], SocketSession] | None = None) -> tuple[ContainerRow, SocketSession | None] | None:
    """Start one that is initialized.

    :param join: as for :func:`.start.start`.
    :returns: its row and the session; None where it is not initialized, and :func:`.start.start` is to be asked.
    :raises RuntimeFailed: the runtime refused; it is as before.
    """
    if row.state == "creating" or refreshed(context, row.id).state != INITIALIZED:
        return None
    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        if now.state != INITIALIZED or not is_held(context, now):
            return None
        session = None if join is None else join(context.layout.container_run(now.id) + "/attach.sock")
        _own(context, now, os.getpid())
        try:
            client = context.client_of(now)
            client.call(client.commands.start, now.id, cancel)
        except BaseException:
            if session is not None:
                session.close()
            settle(context, now, Cancel())  # cut short by the caller's token, it may have been done all the same
            raise
        now = _runs(context, now)
    tell(context, now, "start", *(("attach",) if session is not None else ()))
    return now, session


def settle(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Write down how far somebody got who was killed while he started it. The caller holds its lock."""
    client = context.client_of(row)
    if client.has_state(row.id) and client.state(row.id, cancel).get("status") == "running":
        tell(context, _runs(context, row), "start")
    else:
        _own(context, row, 0)


def _runs(context: Context, row: ContainerRow) -> ContainerRow:
    now = row._replace(state="running", started=time.time(), owner_pid=0, owner_start=0)
    with context.index.write() as connection:
        rows.update(connection, row.id, state=now.state, started=now.started, owner_pid=0, owner_start=0)
    return now


def _own(context: Context, row: ContainerRow, owner: int) -> None:
    with context.index.write() as connection:
        rows.update(connection, row.id, owner_pid=owner, owner_start=start_time(owner) if owner else 0)
