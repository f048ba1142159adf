"""How an exec session ends, whoever finds it: the exit file says with what code; without one it is lost.

Every step may be repeated. Who records an end needs no lock: the first word stands (:func:`.rows.ended`). Declaring one lost is
done under its container's lock, as its start is.
"""

from __future__ import annotations

import os
import time

from ...cancel import Cancel
from ...errors import ConmanError, InvalidState
from ...processes import alive, boot_id, kill_exactly, parent, start_time
from .. import rows as containers
from ..context import Context
from ..exitfile import ExitStatus, read_exit_file
from ..rows import ContainerRow
from ..shim import is_alive
from ..telling import tell
from . import rows
from .launch import exit_path, folder_of, lock_path, remove_folder
from .rows import ExecRow

KILLED = 137
"""What a session ends with where its container's end took it along."""


def status_of(context: Context, row: ExecRow) -> ExitStatus | None:
    """What the exit file says; None where there is none (yet)."""
    try:
        return read_exit_file(exit_path(folder_of(context, row.container_id, row.id)))
    except InvalidState as error:
        context.log.warning("exec session %s: %s", row.id[:12], error)
        return None


def record(context: Context, row: ExecRow, status: ExitStatus) -> None:
    """Write down how it ended."""
    _over(context, row, code=status.code, finished=status.finished_ns / 1e9)


def _over(context: Context, row: ExecRow, *, code: int, finished: float, state: str = rows.EXITED) -> None:
    with context.index.write() as connection:
        first = rows.ended(connection, row.id, code=code, finished=finished, state=state)
        container = containers.by_id(connection, row.container_id) if first else None
    if container is not None:
        tell(context, container, "exec_died", exit_code=code, exec_id=row.id)


def upheld(context: Context, row: ExecRow) -> bool:
    """True where somebody stands beside it: its shim, the clean-up command that this became, or who is starting it.

    May err on the side of True for a moment, never on the other.
    """
    if row.boot_id != boot_id():
        return False
    return alive(row.owner_pid, row.owner_start) or alive(row.shim_pid, row.shim_start) or \
        is_alive(lock_path(folder_of(context, row.container_id, row.id)))


def settle(context: Context, row: ExecRow, cancel: Cancel) -> None:
    """Bring a session that nobody stands beside any more to its end; one that is upheld, or over, is left alone.

    Where its shim was killed, its process is killed, too (nobody would see how it ends), and it is ``lost``. What the process
    has begun may go on in the container: that has no other mark.
    """
    with context.index.read() as connection:
        container = containers.by_id(connection, row.container_id)
    if container is None:
        return
    with context.locks.acquire(container.num, cancel):
        with context.index.read() as connection:
            now = rows.by_id(connection, row.id)
        if now is None or now.state not in (rows.STARTING, rows.RUNNING) or upheld(context, now):
            return
        _conclude(context, now)


def _conclude(context: Context, row: ExecRow) -> None:
    status = status_of(context, row)
    if status is not None:
        record(context, row, status)
    else:
        _kill(row, process_of(context, row))
        _over(context, row, code=rows.UNKNOWN, finished=time.time(), state=rows.LOST)
    remove_folder(folder_of(context, row.container_id, row.id))


def process_of(context: Context, row: ExecRow) -> tuple[int, int]:
    """Pid and start time of the process; zeros where there is none. Who started it may have died before he could write them down:
    then the runtime's pid file tells, where that process is in the container."""
    if row.pid:
        return row.pid, row.pid_start
    try:
        with open(folder_of(context, row.container_id, row.id) + "/pid", encoding="ascii") as stream:
            pid = int(stream.read(32) or "0")
        with open(f"/proc/{pid}/cgroup", encoding="utf-8") as stream:
            inside = row.container_id in stream.read()
    except (OSError, ValueError):
        return 0, 0  # not that far yet, or gone by now
    return (pid, start_time(pid)) if inside else (0, 0)


def adopt(context: Context, row: ExecRow) -> None:
    """A session that runs beside its shim although who started it was killed before he said so: it is said now."""
    if row.state != rows.STARTING or alive(row.owner_pid, row.owner_start):
        return
    process = process_of(context, row)
    shim = parent(process[0])
    if shim and _leads_session(shim):  # else it is the runtime, which is about to leave
        with context.index.write() as connection:
            rows.running(connection, row.id, process=process, shim=(shim, start_time(shim)))


def _leads_session(pid: int) -> bool:
    """As every shim does (``shim/PROTOCOL.md``, "Start")."""
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def _kill(row: ExecRow, process: tuple[int, int]) -> None:
    if row.boot_id == boot_id():
        kill_exactly(*process)


def settle_all(context: Context) -> None:
    """Settle every session that nothing upholds any more. Cheap where there is none."""
    with context.index.read() as connection:
        found = rows.under_way(connection)
    for row in found:
        if upheld(context, row):
            continue
        try:
            settle(context, row, Cancel(_PATIENCE_SECONDS))
        except (ConmanError, OSError) as error:
            context.log.warning("exec session %s cannot be settled now: %s", row.id[:12], error)


_PATIENCE_SECONDS = 5.0
"""How long another command may hold the container's lock before this one goes on without."""


def forget(context: Context, container: str, id: str) -> None:
    """Remove all that a session has left; nothing there is no error. Its process has ended."""
    remove_folder(folder_of(context, container, id))
    with context.index.write() as connection:
        rows.delete(connection, id)


def clean_up(context: Context, container: str, id: str) -> None:
    """The clean-up command's whole work, once the process has ended and its shim has become this process: keep how it ended,
    remove its files. Nothing happens where somebody did that already."""
    with context.index.read() as connection:
        row = rows.by_id(connection, id)
    if row is not None and row.state in (rows.STARTING, rows.RUNNING):
        status = status_of(context, row)
        if status is not None:
            record(context, row, status)
        elif not alive(row.owner_pid, row.owner_start):  # else it is being undone by who started it
            _over(context, row, code=rows.UNKNOWN, finished=time.time(), state=rows.LOST)
    remove_folder(folder_of(context, container, id))


def end_with(context: Context, container: ContainerRow) -> None:
    """Its container has ended (or the host was rebooted): so have its sessions. The caller holds the container's lock and has
    not yet removed its run folder."""
    with context.index.read() as connection:
        found = [row for row in rows.of_container(connection, container.id) if row.state in (rows.STARTING, rows.RUNNING)]
    boot = boot_id() if found else ""
    for row in found:
        status = status_of(context, row)
        if status is not None:
            record(context, row, status)
            continue
        code, state = (KILLED, rows.EXITED) if row.boot_id == boot else (rows.UNKNOWN, rows.LOST)
        _over(context, row, code=code, finished=time.time(), state=state)
