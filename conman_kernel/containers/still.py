"""A block in which a container's tree does not change: its lock, and its processes paused where that is asked for.

Whoever pauses says so in the row first (state ``paused``, with the process that does it): killed before it resumes, the next
command finds a paused container whose owner is gone, and resumes it (:mod:`.reconcile`).
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import Iterator

from ..cancel import Cancel
from ..errors import InvalidState, RuntimeFailed
from ..processes import start_time
from . import rootfs, rows
from .context import Context
from .rows import ContainerRow
from .state import is_running, refreshed
from .telling import tell


@contextmanager
def still(context: Context, row: ContainerRow, *, pause: bool, whole: bool, cancel: Cancel) -> Iterator[str]:
    """Hold a container still.

    :param pause: pause its processes, where it has any and its runtime can.
    :param whole: mount its root file system.
    :returns: a context manager that gives the mount point, empty without ``whole``.
    :raises NotFound: it is gone. :raises InvalidState: it is being made or removed. :raises RuntimeFailed: it cannot be paused.
    """
    with ExitStack() as stack:
        stack.enter_context(context.locks.acquire(row.num, cancel))
        now = refreshed(context, row.id)
        if now.state in ("creating", "removing"):
            raise InvalidState(f"container {row.name} is {now.state}: container state improper")
        path = ""
        if whole:
            path = rootfs.hold(context, now, cancel)
            stack.callback(_let_go, context, row.id)
        if pause and is_running(context, now) and now.state == "running":
            _pause(context, now, stack, cancel)
        yield path


def resume(context: Context, row: ContainerRow, cancel: Cancel, *, told: bool = True) -> None:
    """Let a container that was paused here run on, and say so. The caller holds its lock; twice is no error.

    :param told: False: nobody was told that it was paused, and nobody is told that it runs on.
    :raises RuntimeFailed: the runtime refuses, and the container is still paused.
    """
    client = context.client_of(row)
    try:
        client.call(client.commands.resume, row.id, cancel)
    except RuntimeFailed:
        # Not paused yet when its owner was killed, or ended meanwhile: both are no longer a matter of pausing.
        if client.has_state(row.id) and client.state(row.id, cancel).get("status") == "paused":
            raise
    with context.index.write() as connection:
        changed = connection.execute("UPDATE containers SET state = 'running', owner_pid = 0, owner_start = 0 "
                                     "WHERE id = ? AND state = 'paused'", (row.id,)).rowcount
    if changed and told:
        tell(context, row, "unpause")


def _pause(context: Context, row: ContainerRow, stack: ExitStack, cancel: Cancel) -> None:
    client = context.client_of(row)
    if not client.commands.pause or not client.commands.resume:
        context.log.warning("container %s is not paused: its runtime %s cannot", row.name, row.runtime)
        return
    with context.index.write() as connection:
        rows.update(connection, row.id, state="paused", owner_pid=os.getpid(), owner_start=start_time(os.getpid()))
    # The caller's token must not leave it paused.
    stack.callback(resume, context, row, Cancel())
    client.call(client.commands.pause, row.id, cancel)
    tell(context, row, "pause")


def _let_go(context: Context, id: str) -> None:
    rootfs.let_go(context, refreshed(context, id), force=False)
