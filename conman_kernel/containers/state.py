"""What is so of a container now, rather than when its record was written."""

from __future__ import annotations

import time

from ..errors import InvalidState, NotFound
from ..processes import alive, boot_id
from . import rows
from .context import Context
from .exitfile import ExitStatus, read_exit_file
from .paths import SHIM_LOST, exit_file, shim_alive
from .rows import ContainerRow

RUNNING = ("running", "paused")

INITIALIZED = "initialized"
"""Created at the runtime, with a shim beside it; its process waits for the start."""

HELD = (INITIALIZED, *RUNNING)
"""The states in which there is a process, and a shim that upholds it."""


def refreshed(context: Context, id: str) -> ContainerRow:
    """The row as it is now.

    :param id: all of it.
    :raises NotFound: it is gone.
    """
    with context.index.read() as connection:
        row = rows.by_id(connection, id)
    if row is None:
        raise NotFound(f'no container with ID "{id}" found: no such container')
    return row


def is_running(context: Context, row: ContainerRow) -> bool:
    """True where its process lives (or its shim has not yet said how it ended), in this boot, and was started."""
    return row.state in RUNNING and is_held(context, row)


def is_held(context: Context, row: ContainerRow) -> bool:
    """As :func:`is_running`, also of one whose process still waits for the start."""
    return row.state in HELD and row.boot_id == boot_id() and (shim_alive(context, row) or alive(row.pid, row.pid_start))


def outward(context: Context, row: ContainerRow, boot: str = "") -> ContainerRow:
    """The row as a person is shown it: podman's words for the state, and true now rather than when it was written.

    Of a process that has ended, the exit file says how, until somebody settles the record; while there is none yet and the shim
    (or the clean-up command that it becomes) lives, the container still runs. No file is looked at where the row says it is over.

    :param boot: this boot's id, for those who ask of many rows; read where it is empty.
    :returns: the same, or another ``state``, with ``exit_code``, ``finished``, ``oom`` and ``error`` that belong to it.
    """
    if row.state == "restarting":
        return _waited_for(context, row)
    if row.state == "starting":
        # A back-off that is written down is of a restart; a person's start has none.
        return row._replace(state="created" if not row.started else "restarting" if row.backoff else "exited")
    if row.state not in HELD:
        return row
    now_boot = boot or boot_id()
    if row.boot_id == now_boot and alive(row.pid, row.pid_start):
        return row
    # In this order: whoever upheld it may write the file and go while we look.
    upheld = row.boot_id == now_boot and (shim_alive(context, row) or alive(row.shim_pid, row.shim_start))
    status = exit_status(context, row)
    if status is not None:
        over = ended(row, status)
        return over._replace(state="restarting") if upheld and _again(over) else over
    return row if upheld else _recorded(context, row) or ended(row, None, rebooted=row.boot_id != now_boot)


def exit_status(context: Context, row: ContainerRow) -> ExitStatus | None:
    """What the container's exit file says; None where there is none, or none that can be read."""
    try:
        return read_exit_file(exit_file(context, row))
    except InvalidState as error:
        # Of a container with --rm it is not synced: after a power cut it may be there and empty.
        context.log.warning("container %s: %s", row.id[:12], error)
        return None


def ended(row: ContainerRow, status: ExitStatus | None, *, rebooted: bool = False) -> ContainerRow:
    """The row of a container that ran and has ended.

    :param status: how; None: nobody saw it, and ``rebooted`` says why.
    """
    if status is not None:
        return row._replace(state="exited", exit_code=status.code, finished=status.finished_ns / 1e9, oom=int(status.oom),
                            error="")
    return row._replace(state="exited", exit_code=-1, finished=time.time(), oom=0,
                        error="the host was rebooted" if rebooted else SHIM_LOST)


def _again(row: ContainerRow) -> bool:
    """Whether its policy is to start it again, once who stands by has settled its end."""
    if not row.parsed_options().restart:
        return False
    from .restart import wanted

    return wanted(row)


def _waited_for(context: Context, row: ContainerRow) -> ContainerRow:
    """Of a restart: that, as long as somebody waits for it; else what came of it, or nothing."""
    if row.boot_id == boot_id() and alive(row.shim_pid, row.shim_start):
        return row
    with context.index.read() as connection:
        now = rows.by_id(connection, row.id)
    if now is not None and now.state not in ("restarting", "starting"):
        return outward(context, now)
    return row._replace(state="exited")


def _recorded(context: Context, row: ContainerRow) -> ContainerRow | None:
    """What the index says by now of a run that was read as going on; None where it still says so."""
    with context.index.read() as connection:
        now = rows.by_id(connection, row.id)
        code = rows.exit_of_removed(connection, row.id) if now is None else None
    if now is None and code is not None:
        return row._replace(state="exited", exit_code=code, finished=time.time())
    return now if now is not None and now.state in ("exited", "removing") else None
