"""One more process in a running container: a shim of its own, a process document, an exit file."""

from __future__ import annotations

import json
import os
import time
from typing import Mapping, cast

from ..cancel import Cancel
from ..errors import InvalidState
from ..oci.runtime.process import ExecRequest, build_exec
from ..processes import boot_id, start_time
from ..record import Record
from ..slots.attach import Outcome
from . import cgroups, rootfs
from .attached import RunOutcome, Streams, carry, terminal_size
from .context import Context
from .rows import ContainerRow
from .runtime_client import RuntimeClient, last_error
from .session import connect
from .shim import CreateFailed, Shim, ShimConfig
from .stop import is_running
from .users import resolve_user

_CREATE_SECONDS = 10.0
EXIT_NOT_RUNNING = 255
"""podman's exit code for an exec in a container that does not run."""


class ExecOptions(Record):
    """What ``conman exec`` takes.

    :param command: the command line; not empty.
    :param user: as ``--user``; empty: the container's own.
    :param workdir: absolute; empty: the container's own.
    """

    command: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    workdir: str = ""
    user: str = ""
    terminal: bool = False
    stdin_open: bool = False
    privileged: bool = False


class _Exec(Record):
    id: str
    folder: str
    shim: Shim


def run_exec(context: Context, row: ContainerRow, options: ExecOptions, streams: Streams | None, cancel: Cancel) -> RunOutcome:
    """Run a command in a container.

    :param streams: the caller's descriptors; None: detached, it goes on by itself.
    :returns: how it ended; detached: ``container_id`` holds the exec session's id.
    :raises InvalidState: the container does not run.
    :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused.
    """
    with context.locks.acquire(row.num, cancel):
        _require_running(context, row)
        started = _create(context, row, options, terminal_size(streams) if streams else (0, 0), detached=streams is None)
    try:
        return _follow(context, row, started, options, streams, cancel)
    finally:
        started.shim.close()


def _follow(context: Context, row: ContainerRow, started: _Exec, options: ExecOptions, streams: Streams | None,
            cancel: Cancel) -> RunOutcome:
    try:
        pid = _created(context, row, started, cancel)
    except BaseException:
        started.shim.settle(Cancel(_CREATE_SECONDS))
        forget(context, row.id, started.id)
        started.shim.done()
        raise
    if streams is None:
        _record(context, started.id, state="running", pid=pid, pid_start=start_time(pid))
        started.shim.started()
        started.shim.release()
        return RunOutcome(started.id, "detached", None)
    # The process runs already: the exec of an OCI runtime has no separate start. The shim holds its output for the first session.
    session = connect(started.folder + "/attach.sock", stdin=options.stdin_open and streams.stdin >= 0,
                      stdout=streams.stdout >= 0, stderr=streams.stderr >= 0, foreground=True, cancel=cancel)
    started.shim.started()
    try:
        end = carry(context, session, streams, cancel)
    except OSError:
        started.shim.release()
        raise
    if end.outcome is Outcome.DETACHED:
        started.shim.release()
        return RunOutcome(started.id, "detached", None)
    status = started.shim.wait_exited(cancel)
    forget(context, row.id, started.id)
    started.shim.done()
    return RunOutcome(started.id, "exited", status.code)


def forget(context: Context, container: str, id: str) -> None:
    """Remove what an exec session has left; nothing there is no error. Its process has ended."""
    import shutil

    folder = _folder(context, container, id)
    if os.path.isdir(folder):
        shutil.rmtree(folder)
    with context.index.write() as connection:
        connection.execute("DELETE FROM exec_sessions WHERE id = ?", (id,))


def _folder(context: Context, container: str, id: str) -> str:
    return f"{context.layout.container_run(container)}/exec/{id}"


def _require_running(context: Context, row: ContainerRow) -> None:
    if row.state == "paused" or not is_running(context, row):
        error = InvalidState("can only create exec sessions on running containers", hint=f"conman start {row.name}")
        error.exit_code = EXIT_NOT_RUNNING
        raise error


def _create(context: Context, row: ContainerRow, options: ExecOptions, size: tuple[int, int], *, detached: bool) -> _Exec:
    document = _process(context, row, options)
    id = os.urandom(32).hex()
    folder = _folder(context, row.id, id)
    context.layout.ensure(folder)
    with open(folder + "/process.json", "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    with context.index.write() as connection:
        connection.execute(
            "INSERT INTO exec_sessions (id, container_id, created, state, config, boot_id) VALUES (?, ?, ?, 'created', ?, ?)",
            (id, row.id, time.time(), json.dumps(options._asdict()), boot_id()))
    shim = context.take_shim()
    try:
        shim.configure(_shim_config(context, row, context.client(row.runtime), folder, id, options, size, detached))
    except BaseException:
        shim.close()
        forget(context, row.id, id)
        raise
    return _Exec(id, folder, shim)


def _process(context: Context, row: ContainerRow, options: ExecOptions) -> dict[str, object]:
    with open(context.layout.container_run(row.id) + "/config.json", encoding="utf-8") as stream:
        base = cast("Mapping[str, object]", json.load(stream)["process"])
    user = None
    if options.user:
        root_fd = os.open(rootfs.path(context, row), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            user = resolve_user(root_fd, options.user)
        finally:
            os.close(root_fd)
    keep_home = any(item.startswith("HOME=") for item in row.image_parts().env) or \
        any(key == "HOME" for key, _ in row.parsed_options().env)
    return build_exec(ExecRequest(base=base, command=options.command, user=user, env=options.env, workdir=options.workdir,
                                  terminal=options.terminal, privileged=options.privileged,
                                  host_bounding=context.facts.bounding, keep_home=keep_home))


def _shim_config(context: Context, row: ContainerRow, client: RuntimeClient, folder: str, id: str, options: ExecOptions,
                 size: tuple[int, int], detached: bool) -> ShimConfig:
    console = folder + "/console.sock" if options.terminal else ""
    create = client.argv(client.commands.exec, row.id, process=folder + "/process.json", pid_file=folder + "/pid",
                         console_socket=console, log=folder + "/runtime.log")
    return ShimConfig(
        id=id, create=tuple(create), pid_file=folder + "/pid", exit_file=folder + "/exit", lock=folder + "/shim.lock",
        socket=folder + "/attach.sock", cleanup=context.cleanup_argv(f"{row.id}/{id}"), log_driver="none",
        runtime_log=folder + "/runtime.log", console_socket=console, terminal=options.terminal, stdin=options.stdin_open,
        stdin_once=not detached, rows=size[0], columns=size[1], cgroup=tuple(cgroups.shim_dirs(context.facts)))


def _created(context: Context, row: ContainerRow, started: _Exec, cancel: Cancel) -> int:
    try:
        return started.shim.wait_created(cancel)
    except CreateFailed as error:
        text = last_error(started.folder + "/runtime.log") or error.runtime_text or error.message
        raise context.client(row.runtime).failure(text) from None


def _record(context: Context, id: str, **values: object) -> None:
    sets = ", ".join(f"{name} = ?" for name in values)
    with context.index.write() as connection:
        connection.execute(f"UPDATE exec_sessions SET {sets} WHERE id = ?", (*values.values(), id))
