"""The order of an exec session's start: under the container's lock it is launched and said so in the index; then the runtime is
waited for, without the lock; whatever fails is undone."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from ...cancel import Cancel
from ...errors import DeadlineExceeded, InvalidState, NotFound, RuntimeFailed
from ...processes import boot_id, start_time
from .. import rows as containers
from ..context import Context
from ..rows import ContainerRow
from ..shim import CreateFailed
from ..state import is_running, refreshed
from ..telling import tell
from . import rows
from .launch import Launched, failure, launch, not_running, remove_folder
from .options import ExecOptions
from .rows import ExecRow

if TYPE_CHECKING:
    from ..session import SocketSession

_CREATE_SECONDS = 10.0
"""How long an undo waits for a runtime command that is under way."""

_KILL = 9


def make(context: Context, container: ContainerRow, options: ExecOptions, cancel: Cancel) -> ExecRow:
    """Make a session of which nothing runs yet.

    :raises InvalidState: the container does not run.
    :raises NotFound: it is gone.
    """
    with context.locks.acquire(container.num, cancel):
        _running_container(context, container.id)
        row = _row(container.id, os.urandom(32).hex(), options, (0, 0), rows.CREATED, (0, 0))
        with context.index.write() as connection:
            rows.insert(connection, row)
    return row


def begin_new(context: Context, container: ContainerRow, options: ExecOptions, size: tuple[int, int], *, detached: bool,
              cancel: Cancel) -> Launched:
    """Make a session and begin to start it at once; :func:`created` must follow. Errors as :func:`begin`."""
    with context.locks.acquire(container.num, cancel):
        container = _running_container(context, container.id)
        launched = launch(context, container, os.urandom(32).hex(), options, size, detached=detached)
        # Its row is written while the runtime is at work. Should this process die before that, its shim undoes it.
        try:
            with context.index.write() as connection:
                rows.insert(connection, _row(container.id, launched.id, options, size, rows.STARTING, _owner()))
        except BaseException as error:
            undo(context, launched, error, keep=False)
            raise
        return launched


def begin(context: Context, row: ExecRow, size: tuple[int, int], *, detached: bool, cancel: Cancel) -> Launched:
    """Begin to start a session that was made; :func:`created` must follow.

    :param size: rows and columns of its terminal; zeros: those that were set before.
    :raises InvalidState: it was started before, or its container does not run (any more, or since it was made).
    :raises NotFound: it was removed, or its container was; there is no such user.
    :raises InvalidInput: user, folder or command cannot be.
    """
    with context.index.read() as connection:
        container = containers.by_id(connection, row.container_id)
    if container is None:
        raise gone(context, row)
    with context.locks.acquire(container.num, cancel):
        with context.index.read() as connection:
            now = rows.by_id(connection, row.id)
        if now is None:
            raise gone(context, row)
        if now.state != rows.CREATED:
            raise InvalidState(f"exec session {row.id[:12]} was started already")
        container = _running_container(context, row.container_id)
        options, size = now.options(), size if any(size) else now.size()
        with context.index.write() as connection:
            rows.begun(connection, row.id, size=size, options=options, owner=_owner())
        try:
            return launch(context, container, row.id, options, size, detached=detached)
        except BaseException as error:
            code = getattr(error, "exit_code", 125)
            with context.index.write() as connection:
                rows.ended(connection, row.id, code=code, finished=time.time())
            raise


def created(context: Context, launched: Launched, cancel: Cancel) -> int:
    """Wait until the session's process is there. It runs then: an exec has no separate start. :func:`undo` what fails.

    :returns: the process's pid, as this host sees it.
    :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused.
    """
    try:
        return launched.shim.wait_created(cancel)
    except CreateFailed as error:
        raise failure(context, launched, error) from None


def is_up(context: Context, launched: Launched, pid: int) -> None:
    """Say in the index that the process runs."""
    with context.index.write() as connection:
        rows.running(connection, launched.id, process=(pid, start_time(pid)),
                     shim=(launched.shim.pid, start_time(launched.shim.pid)))
    tell(context, launched.row, "exec", exec_id=launched.id)


def start_detached(context: Context, launched: Launched, *, keep: bool, cancel: Cancel) -> None:
    """See a launched session through its start and leave it to its shim. Errors as :func:`created`.

    :param keep: its row stays where that fails.
    """
    try:
        is_up(context, launched, created(context, launched, cancel))
        launched.shim.release()
    except BaseException as error:
        undo(context, launched, error, keep=keep)
        raise
    finally:
        launched.shim.close()


def undo(context: Context, launched: Launched, error: BaseException, *, keep: bool,
         session: SocketSession | None = None) -> None:
    """After a failed start: the process is killed, its files go; its row says how, or goes. The caller's token does
    not cut this short.

    :param session: joined already: the shim was told that it may go on, and kills nothing by itself.
    """
    try:
        try:
            launched.shim.settle(Cancel(_CREATE_SECONDS))
        except DeadlineExceeded:
            pass  # the runtime hangs; once the channel is closed the shim ends it, and there is an end to record all the same
        if session is not None:
            session.signal(_KILL)
            session.close()
        with context.index.write() as connection:
            if keep:
                code = error.exit_code if isinstance(error, RuntimeFailed) else 128 + _KILL
                rows.ended(connection, launched.id, code=code, finished=time.time())
            else:
                rows.delete(connection, launched.id)
        remove_folder(launched.folder)
        launched.shim.done()
    finally:
        launched.shim.close()


def gone(context: Context, row: ExecRow) -> InvalidState | NotFound:
    """The error for a session that is not in the index any more."""
    with context.index.read() as connection:
        container = containers.by_id(connection, row.container_id)
    if container is None:
        return NotFound(f'no container with ID "{row.container_id}" found: no such container')
    if container.started > row.created:
        return InvalidState(f"exec session {row.id[:12]} is of an earlier run of container {container.name}")
    return NotFound(f'no exec session with ID "{row.id}" found: no such exec session')


def _running_container(context: Context, id: str) -> ContainerRow:
    row = refreshed(context, id)
    if row.state == "paused" or not is_running(context, row):
        raise not_running(row)
    return row


def _row(container: str, id: str, options: ExecOptions, size: tuple[int, int], state: str, owner: tuple[int, int]) -> ExecRow:
    return ExecRow(id=id, container_id=container, created=time.time(), state=state, config=rows.config_json(options, size), pid=0,
                   pid_start=0, boot_id=boot_id(), exit_code=rows.UNKNOWN, finished=0.0, shim_pid=0, shim_start=0,
                   owner_pid=owner[0], owner_start=owner[1])


def _owner() -> tuple[int, int]:
    return os.getpid(), start_time(os.getpid())
