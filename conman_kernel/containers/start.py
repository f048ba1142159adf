"""Start: mount, write the bundle, have the shim create, join a session, start; undone whole where any step fails."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable

from ..cancel import Cancel
from ..errors import ConmanError, InvalidState
from ..processes import boot_id, start_time
from ..record import Record
from ..slots.runtime import Template
from . import cgroups, rows
from .bundle import Bundle, log_rotation, network_mode, write_bundle
from .context import Context
from .paths import exit_file, log_file, shim_alive, shim_lock
from .rootfs import ensure_mounted
from .rows import ContainerRow
from .runtime_client import RuntimeClient, last_error
from .shim import CreateFailed, Shim, ShimConfig
from .state import INITIALIZED, RUNNING, refreshed
from .telling import tell

if TYPE_CHECKING:
    from .networking import Joining
    from .session import SocketSession


_CREATE_SECONDS = 10.0
"""How long an undo waits for a create that is under way; one that takes longer is undone by the shim."""


class Started(Record):
    """A container whose process runs (or has ended by now).

    :param row: as it is in the index.
    :param shim: the control channel; the caller ends with :func:`release` or with ``done`` and ``close``.
    :param session: connected, where one was wished for.
    """

    row: ContainerRow
    shim: Shim
    session: SocketSession | None


def start(context: Context, row: ContainerRow, *, join: Callable[[str], SocketSession] | None = None,
          hold: bool = False, size: tuple[int, int] = (0, 0), meanwhile: Callable[[], object] | None = None,
          cancel: Cancel) -> Started | None:
    """Start a container.

    :param join: joins a session, given the attach socket's path; called before the process's first byte can be lost.
    :param hold: output flows once that session is listened to (:meth:`.SocketSession.hold`); where it never is, closing the
        shim's channel kills the process.
    :param size: rows and columns of the terminal; 0 leaves it to the runtime.
    :param meanwhile: called once while the runtime creates: time that would only be waited for.
    :returns: None where it runs already.
    :raises NotFound: it was removed meanwhile.
    :raises InvalidState: its state does not allow it.
    :raises RuntimeFailed: the runtime refused; CommandNotFound and CommandNotExecutable where that is why. The
        container is as before.
    """
    with context.locks.acquire(row.num, cancel):
        row = refreshed(context, row.id)
        if row.state in RUNNING and shim_alive(context, row):
            if row.state == "paused":
                raise InvalidState(f"unable to start container {row.id}: it is paused: container state improper",
                                   hint=f"conman unpause {row.name}")
            return None
        if row.state not in ("creating", "created", "exited"):  # creating: by the caller, in `run`
            row = settle(context, row, cancel)
        return start_locked(context, row, join=join, hold=hold, size=size, meanwhile=meanwhile, cancel=cancel)


def create_only(context: Context, row: ContainerRow, cancel: Cancel) -> ContainerRow:
    """Create it at its runtime and leave it to its shim before it is started. The caller holds its lock.

    :raises InvalidState: its state does not allow it. :raises RuntimeFailed: as :func:`start`.
    """
    if row.state not in ("created", "exited"):
        row = settle(context, row, cancel)
    shim = context.take_shim()
    before = row
    joining: Joining | None = None
    try:
        client = context.client_of(row)
        row = _begin(context, row)
        joining = _joining(context, row, cancel)
        _, pid = _create(context, row, client, client.commands.create, shim, joining, (0, 0), None, cancel)
        row = _there(context, row, pid, shim, INITIALIZED)
        shim.release()
        _write_pidfile(row, pid)
    except BaseException as error:
        if joining is not None:
            joining.abandon()
        _undo(context, before, row, shim, error)
        raise
    shim.close()
    tell(context, row, "init")
    return row


def settle(context: Context, row: ContainerRow, cancel: Cancel) -> ContainerRow:
    """Bring a container that nobody guards any more to ``exited``. The caller holds its lock.

    :raises InvalidState: its shim lives: it is only just ending, or being removed.
    """
    from .cleanup import finish, stop_leftovers

    if row.state == "restarting":
        from .restart import take_back

        return take_back(context, row)
    if row.boot_id == boot_id():
        if shim_alive(context, row):
            raise InvalidState(f"container {row.name} is {row.state}", hint="wait for it to end, or use kill")
        stop_leftovers(context, row, cancel)
    row = finish(context, row, cancel, again=False)
    if row.state == "removing":
        raise InvalidState(f"container {row.name} ended and was removed (--rm)")
    return row


def release(started: Started) -> None:
    """Leave a started container to its shim."""
    started.shim.release()
    started.shim.close()


def start_locked(context: Context, row: ContainerRow, *, join: Callable[[str], SocketSession] | None = None, hold: bool = False,
                 size: tuple[int, int] = (0, 0), meanwhile: Callable[[], object] | None = None, again: bool = False,
                 cancel: Cancel) -> Started:
    """As :func:`start`, of a container that does not run, by who holds its lock.

    :param again: its policy starts it, not a person.
    """
    shim = context.take_shim()
    before = row
    session: SocketSession | None = None
    joining: Joining | None = None
    try:
        client = context.client_of(row)
        row = _begin(context, row)
        joining = _joining(context, row, cancel)
        # A terminal gets its size between create and start; else the runtime may do both at once: the shim reads no output before
        # `started`, so that nothing is lost either way.
        # And a process does not start before its networks are there: they are joined beside the create.
        at_once = bool(client.commands.run) and not row.parsed_options().terminal and joining is None
        template = client.commands.run if at_once else client.commands.create
        bundle, pid = _create(context, row, client, template, shim, joining, size, meanwhile, cancel)
        if join is not None:
            session = join(bundle.path + "/attach.sock")
        log = bundle.path + "/runtime.log"
        spawned = None if at_once else client.spawn(client.commands.start, row.id, log=log)
        try:
            row = _there(context, row, pid, shim, "running", again=again)
        finally:
            if spawned is not None:
                client.finish(spawned, cancel, log=log)
        if hold and session is not None:
            session.hold(shim.started)
        else:
            shim.started()
        _write_pidfile(row, pid)
    except BaseException as error:
        if session is not None:
            session.close()
        if joining is not None:
            joining.abandon()
        _undo(context, before, row, shim, error)
        raise
    tell(context, row, "init", "start", *(("attach",) if session is not None else ()))
    return Started(row, shim, session)


def _joining(context: Context, row: ContainerRow, cancel: Cancel) -> Joining | None:
    """The way into its networks, begun; None where it is in none."""
    if network_mode(context, row.parsed_options()) != "bridge":
        return None
    from .networking import Joining

    joining = Joining(context, row, cancel)
    try:
        joining.begin(cancel)
    except BaseException:
        joining.abandon()
        raise
    return joining


def _create(context: Context, row: ContainerRow, client: RuntimeClient, template: Template, shim: Shim, joining: Joining | None,
            size: tuple[int, int], meanwhile: Callable[[], object] | None, cancel: Cancel) -> tuple[Bundle, int]:
    """Mount, write the bundle, have the shim create, with the networks joined beside that.

    :returns: the bundle and the pid of the process.
    """
    bundle = write_bundle(context, row, ensure_mounted(context, row, cancel), cancel)
    shim.configure(_shim_config(context, row, client, template, bundle, size), hold=joining.held if joining else ())
    if joining is not None:
        joining.release()
    if meanwhile is not None:
        meanwhile()
    pid = _created(shim, client, bundle, cancel)
    if joining is not None:
        joining.finish(cancel)
    return bundle, pid


def _begin(context: Context, row: ContainerRow) -> ContainerRow:
    """Say in the index that a start is under way, and clear what the last run has left."""
    now = row._replace(state="starting", boot_id=boot_id(), owner_pid=os.getpid(), owner_start=start_time(os.getpid()),
                       mounts=row.mounts if row.boot_id == boot_id() else 0)
    with context.index.write() as connection:
        rows.update(connection, row.id, state=now.state, boot_id=now.boot_id, owner_pid=now.owner_pid,
                    owner_start=now.owner_start, mounts=now.mounts)
        if row.started:  # the exec sessions of the last run are kept until now
            connection.execute("DELETE FROM exec_sessions WHERE container_id = ?", (row.id,))
    context.layout.ensure(context.layout.container_run(row.id))
    context.layout.ensure(context.layout.container(row.id))
    for old in (exit_file(context, row), *((context.layout.container(row.id) + "/health",) if row.started else ())):
        try:
            os.unlink(old)
        except FileNotFoundError:
            continue  # it never ran, or was never checked
    return now


def _there(context: Context, row: ContainerRow, pid: int, shim: Shim, state: str, *, again: bool = False) -> ContainerRow:
    """Record the process; done while the runtime's start is under way, or where there is none yet."""
    now = row._replace(state=state, pid=pid, pid_start=start_time(pid), shim_pid=shim.pid, shim_start=start_time(shim.pid),
                       started=time.time() if state == "running" else row.started, finished=0.0,
                       owner_pid=0, owner_start=0, error="", oom=0, stopped=0,
                       # Of a restarted one the last exit code is kept, for those who waited for the run before.
                       exit_code=row.exit_code if again else -1, restarts=row.restarts + 1 if again else 0,
                       backoff=row.backoff if again else 0)
    with context.index.write() as connection:
        rows.update(connection, row.id, state=now.state, pid=pid, pid_start=now.pid_start, shim_pid=now.shim_pid,
                    shim_start=now.shim_start, started=now.started, finished=0.0, owner_pid=0, owner_start=0, error="",
                    exit_code=now.exit_code, oom=0, restarts=now.restarts, stopped=0, backoff=now.backoff)
    return now


def _undo(context: Context, before: ContainerRow, row: ContainerRow, shim: Shim, error: BaseException) -> None:
    """After a failure: what was made so far is taken down, and the row says as before.

    The caller's token does not cut this short.
    """
    from .cleanup import remove, stop_leftovers, take_down

    cancel = Cancel()
    try:
        shim.settle(Cancel(_CREATE_SECONDS))
        stop_leftovers(context, row, cancel)
        take_down(context, row, cancel)
        if row.parsed_options().remove:
            remove(context, row, cancel)
        else:
            reason = error.message if isinstance(error, ConmanError) else type(error).__name__
            with context.index.write() as connection:
                state = "exited" if before.state == "restarting" else before.state
                rows.update(connection, row.id, state=state, started=before.started, finished=before.finished,
                            exit_code=before.exit_code, error=reason, pid=0, pid_start=0, shim_pid=0, shim_start=0,
                            owner_pid=0, owner_start=0)
        shim.done()
    finally:
        shim.close()


def _shim_config(context: Context, row: ContainerRow, client: RuntimeClient, template: Template, bundle: Bundle,
                 size: tuple[int, int]) -> ShimConfig:
    options = row.parsed_options()
    log_driver = options.log_driver or context.config.text("containers.log_driver")
    console = bundle.path + "/console.sock" if options.terminal else ""
    pid_file = bundle.path + "/pid"
    log = bundle.path + "/runtime.log"
    log_size, log_files = log_rotation(context, options)
    health: tuple[tuple[str, str], ...] = ()
    if options.health is not None:
        from .health import shim_records

        health = shim_records(context, row, options, client, bundle)
    create = client.argv(template, row.id, bundle=bundle.path, pid_file=pid_file, console_socket=console, log=log)
    return ShimConfig(
        id=row.id, create=tuple(create), pid_file=pid_file, exit_file=exit_file(context, row), lock=shim_lock(context, row),
        socket=bundle.path + "/attach.sock", cleanup=context.cleanup_argv(row.id), log_driver=log_driver,
        log_path=log_file(context, row) if log_driver == "cri" else "", log_size=log_size, log_files=log_files,
        runtime_log=log, console_socket=console,
        terminal=options.terminal, stdin=options.stdin_open, stdin_once=options.stdin_open and not options.terminal,
        rows=size[0], columns=size[1], cgroup=tuple(cgroups.shim_dirs(context.facts)),
        oom_files=_oom_files(context, row.id), durable=not options.remove, health=health)


def _oom_files(context: Context, id: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{'memory.events' if mount.unified else 'memory.oom_control'}"
                 for mount, folder in zip(context.facts.cgroups, cgroups.container_dirs(context.facts, id))
                 if "memory" in mount.controllers)


def _created(shim: Shim, client: RuntimeClient, bundle: Bundle, cancel: Cancel) -> int:
    try:
        return shim.wait_created(cancel)
    except CreateFailed as error:
        raise client.failure(last_error(bundle.path + "/runtime.log") or error.runtime_text or error.message) from None


def _write_pidfile(row: ContainerRow, pid: int) -> None:
    path = row.parsed_options().pidfile
    if path:
        from .files import replace

        replace(path, str(pid).encode())
