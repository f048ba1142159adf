"""Pausing a container for as long as its user wants. What is paused for the length of a block is :mod:`.still`.

The row says ``paused`` before the runtime is asked, with the process that does it: killed in between, the next command finds a
paused container whose owner is gone, and lets it run (:mod:`.reconcile`).
"""

from __future__ import annotations

import os

from ..cancel import Cancel
from ..errors import InvalidState, Unavailable
from ..processes import start_time
from . import rows
from .context import Context
from .rows import ContainerRow
from .runtime_client import RuntimeClient
from .state import is_running, outward, refreshed
from .still import resume
from .telling import tell


def pause(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Have none of a container's processes run until :func:`unpause`.

    :raises InvalidState: it does not run, or is paused already.
    :raises Unavailable: its runtime cannot pause.
    :raises RuntimeFailed: the runtime refused; it runs on.
    """
    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        if not is_running(context, now):
            raise InvalidState(f'"{outward(context, now).state}" is not running, can\'t pause: container state improper',
                               hint=f"conman start {now.name}")
        if now.state == "paused":
            raise InvalidState(f'"{now.id}" is already paused: container state improper')
        client = _able(context, now)
        _own(context, now, state="paused", owner=os.getpid())
        try:
            client.call(client.commands.pause, now.id, cancel)
        except BaseException:
            # The caller's token must not leave it paused.
            resume(context, now, Cancel(), told=False)
            raise
        _own(context, now, state="paused", owner=0)
    tell(context, now, "pause")


def unpause(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Let a paused container run on.

    :raises InvalidState: it is not paused.
    :raises RuntimeFailed: the runtime refused; it is still paused.
    """
    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        if now.state != "paused" or not is_running(context, now):
            raise InvalidState(f'"{now.id}" is not paused, can\'t unpause: container state improper')
        _able(context, now)
        _own(context, now, state="paused", owner=os.getpid())
        try:
            resume(context, now, cancel)
        except BaseException:
            _own(context, now, state="paused", owner=0)
            raise


def _able(context: Context, row: ContainerRow) -> RuntimeClient:
    client = context.client_of(row)
    if not client.commands.pause or not client.commands.resume:
        raise Unavailable(f"container {row.name} cannot be paused: its runtime {row.runtime} has no such command")
    if context.facts.cgroup_mode == "none":
        raise Unavailable(f"container {row.name} cannot be paused: this host has no cgroups")
    return client


def _own(context: Context, row: ContainerRow, *, state: str, owner: int) -> None:
    with context.index.write() as connection:
        rows.update(connection, row.id, state=state, owner_pid=owner, owner_start=start_time(owner) if owner else 0)
