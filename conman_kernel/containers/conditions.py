"""Waiting for a state of a container, whichever that is. For its end alone there is :func:`.stop.wait`, which asks less.

Whoever changes a container's state writes that into the index, whose files are watched; its end is seen by pidfds besides.
"""

from __future__ import annotations

import os
from typing import Collection, Mapping, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput, InvalidState, NotFound
from ..processes import open_pidfd
from ..support.inotify import IN_FOLDER, Watch
from . import rows, stop
from .context import Context
from .rows import ContainerRow
from .state import HELD, outward

GONE = "removed"
"""The condition of a container that is not there any more."""

CONDITIONS: Mapping[str, str] = {
    "configured": "created", "created": "created", "initialized": "initialized", "running": "running", "paused": "paused",
    "restarting": "restarting", "stopping": "exited", "stopped": "exited", "exited": "exited", "removing": "removing",
    GONE: GONE, "healthy": "healthy", "unhealthy": "unhealthy"}
"""podman's words, and docker's ``removed`` -> the state, or the health of one that runs, that is meant."""

HEALTH = frozenset(("healthy", "unhealthy"))

ENDS = frozenset(("stopping", "stopped", "exited"))


def check(conditions: Collection[str]) -> None:
    """Refuse what cannot be waited for.

    :raises InvalidInput: in podman's words.
    """
    for condition in conditions:
        if condition not in CONDITIONS:
            raise InvalidInput(f"unknown container state: {condition}: invalid argument", hint=f"one of {', '.join(CONDITIONS)}")


def wait_for(context: Context, row: ContainerRow, conditions: Collection[str], cancel: Cancel) -> int:
    """Wait until a container is in one of several states.

    :param conditions: keys of :data:`CONDITIONS`.
    :returns: its exit code; -1 where it has none then.
    :raises InvalidInput: there is no such condition. :raises NotFound: it is gone, and that is not waited for.
    :raises InvalidState: only its health is waited for, and it has no health check.
    """
    check(conditions)
    wanted = {CONDITIONS[condition] for condition in conditions}
    if wanted <= HEALTH and row.parsed_options().health is None:
        raise InvalidState(f"has no defined healthcheck: container {row.name}", hint="make it with --health-cmd")
    watches = [Watch(context.layout.root, IN_FOLDER)]
    try:
        if wanted & HEALTH and row.parsed_options().health is not None:
            context.layout.ensure(context.layout.container(row.id))
            watches.append(Watch(context.layout.container(row.id), IN_FOLDER))  # where its shim writes how it is
        while True:
            for watch in watches:
                watch.clear()
            # Whoever changes the index is seen when he writes, a moment before others see what he wrote; then he gives the write
            # lock back. With that in hand nothing is missed. Nothing is written, so nobody is woken.
            with context.index.write() as connection:
                now = rows.by_id(connection, row.id)
                gone = rows.exit_of_removed(connection, row.id) if now is None else None
            if now is None:
                if GONE not in wanted:
                    raise NotFound(f'no container with ID "{row.id}" found: no such container')
                return -1 if gone is None else gone
            shown = outward(context, now)
            if shown.state in wanted or (shown.state == "running" and wanted & HEALTH and _health(context, now) in wanted):
                return shown.exit_code if shown.finished else -1
            _wait_once(context, now, watches, cancel)
    finally:
        for watch in watches:
            watch.close()


def _health(context: Context, row: ContainerRow) -> str:
    from .health import read

    found = read(context, row)
    return "" if found is None else found.status


def _wait_once(context: Context, row: ContainerRow, watches: Sequence[Watch], cancel: Cancel) -> None:
    """Until something is written that may tell more, or the container's process has ended and that is settled."""
    fds = [watch.fileno() for watch in watches]
    process = open_pidfd(row.pid, row.pid_start) if row.state in HELD else -1
    try:
        if row.state in HELD and (process < 0 or process in cancel.wait_readable(*fds, process)):
            stop.wait_once(context, row, cancel)
        elif row.state not in HELD:
            cancel.wait_readable(*fds)
    finally:
        if process >= 0:
            os.close(process)
