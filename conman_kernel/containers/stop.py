"""Stop, kill and wait. Waiting is for descriptors: the pidfd of the process, then of the shim that cleans up."""

from __future__ import annotations

import os

from ..cancel import Cancel
from ..errors import InvalidState, NotFound, PluginNotInstalled, RuntimeFailed, ShimLost
from ..processes import alive, open_pidfd
from . import cgroups, rows
from .context import Context
from .paths import SHIM_LOST, exit_file, shim_alive
from .rows import ContainerRow
from .state import HELD, INITIALIZED, RUNNING, is_held, is_running, outward, refreshed
from .telling import tell

_SHIM_GRACE = 3.0
"""Seconds that whoever stands beside a container has for its clean-up, once it has ended. A foreground ``run`` that is stopped
(Ctrl-Z) does none; then whoever waits takes over."""
_KILL = 9


_FINAL = frozenset((2, 3, 9, 15))
"""SIGINT, SIGQUIT, SIGKILL, SIGTERM: who sends one of these, or the container's own stop signal, wants it to end, and no policy
starts it again. Others (a SIGHUP to reload) say nothing of the kind."""


def kill(context: Context, row: ContainerRow, number: int, cancel: Cancel, *, final: bool = True) -> None:
    """Send a signal to the main process. Where a restart is waited for, one that is to end it takes that back.

    :param final: where the signal is to end it that is for good; False: its restart policy holds.
    :raises InvalidState: it does not run.
    """
    with context.locks.acquire(row.num, cancel):
        row = refreshed(context, row.id)
        final = final and is_final(row, number)
        if row.state == "restarting" and final:
            from .restart import take_back

            take_back(context, row)
        else:
            _signal(context, row, number, cancel)
            if final:
                note_stopped(context, row)
    tell(context, row, "kill")


def is_final(row: ContainerRow, number: int) -> bool:
    """Whether a person who sends this signal wants the container to end."""
    return number in _FINAL or number == stop_signal(row)


def note_stopped(context: Context, row: ContainerRow) -> None:
    """A person ends it: no restart policy starts it again, until a person does."""
    with context.index.write() as connection:
        rows.update(connection, row.id, stopped=1)


def _signal(context: Context, row: ContainerRow, number: int, cancel: Cancel) -> None:
    if not is_running(context, row) or not alive(row.pid, row.pid_start):
        raise InvalidState(f"can only kill running containers. {row.id} is in state {_state(context, row)}")
    try:
        client = context.client_of(row)
    except PluginNotInstalled:
        if number != _KILL:
            raise
        cgroups.kill_all(context.facts, row.id, cancel)  # which needs no runtime
        return
    try:
        client.kill(row.id, number, cancel)
    except RuntimeFailed:
        if alive(row.pid, row.pid_start):
            raise
    if number == _KILL and row.state == "paused":
        cgroups.thaw(context.facts, row.id)  # frozen on cgroup v1 it does not die, and not every runtime sees to that


def _state(context: Context, row: ContainerRow) -> str:
    """Of a container whose process is gone: ``stopped`` (podman's word) until its shim has said how it ended."""
    state = outward(context, row).state
    return "stopped" if state in RUNNING else state


def stop(context: Context, row: ContainerRow, *, timeout: int | None, cancel: Cancel, paused_too: bool = False) -> None:
    """End the main process: its stop signal, ``timeout`` seconds, SIGKILL. One that does not run is no error. No policy starts it
    again, and a restart that is waited for is taken back.

    :param timeout: seconds; None: the container's own, or the configuration's.
    :param paused_too: one that is paused is killed at once: it could heed no signal.
    :raises InvalidState: it is paused.
    """
    if end(context, row, timeout=timeout, cancel=cancel, paused_too=paused_too):
        tell(context, row, "stop")


def end(context: Context, row: ContainerRow, *, timeout: int | None, cancel: Cancel, paused_too: bool = False) -> bool:
    """What :func:`stop` does, without telling anybody.

    :returns: whether there was anything to end.
    """
    options = row.parsed_options()
    if timeout is None:
        timeout = options.stop_timeout if options.stop_timeout >= 0 else context.config.number("containers.stop_timeout")
    with context.locks.acquire(row.num, cancel):
        row = refreshed(context, row.id)
        if row.state == "restarting":
            from .restart import take_back

            take_back(context, row)
            return True
        if row.state == "paused" and not paused_too and is_held(context, row):
            raise InvalidState(f"can only stop created or running containers. {row.id} is in state paused: container state "
                               "improper", hint=f"conman unpause {row.name}, or conman kill {row.name}")
        if not row.stopped:
            note_stopped(context, row)  # also of one that has just ended: its clean-up is to see it
        if not is_held(context, row):
            return False
        if row.state == "paused":
            timeout = 0
        pidfd = open_pidfd(row.pid, row.pid_start)
        if row.state == INITIALIZED:
            cgroups.kill_all(context.facts, row.id, cancel)  # nothing of its own runs yet that could heed a signal
        elif pidfd >= 0 and timeout > 0:
            _signal(context, row, stop_signal(row), cancel)
    # The lock is free while we wait: an exec, a kill or a ps must not.
    try:
        if pidfd >= 0 and not (timeout > 0 and cancel.wait_readable(pidfd, timeout=timeout)):
            _force(context, row, cancel)
            cancel.wait_readable(pidfd)
    finally:
        if pidfd >= 0:
            os.close(pidfd)
    try:
        wait(context, row, cancel, run=row.started)
    except ShimLost:
        pass  # it is over, and nobody asked how
    return True


def _force(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    from signal import SIGKILL

    with context.locks.acquire(row.num, cancel):
        try:
            _signal(context, refreshed(context, row.id), SIGKILL, cancel)
        except (InvalidState, NotFound):
            return  # it went by itself meanwhile
        cgroups.kill_all(context.facts, row.id, cancel)


def stop_signal(row: ContainerRow) -> int:
    """The container's stop signal: the caller's, the image's, SIGTERM."""
    from ..oci.runtime.process import stop_signal as resolve

    return resolve(row.parsed_options(), row.image_parts())


def wait(context: Context, row: ContainerRow, cancel: Cancel, *, run: float = 0.0) -> int:
    """Wait until a run of a container is over and cleaned up after; of one that does not run it is. Where its policy starts it
    again, it is over all the same.

    :param run: when that run was started; 0: it is the one that goes on, or the next one where a restart is waited for.
    :returns: its exit code.
    :raises ShimLost: nobody saw how it ended.
    """
    while True:
        with context.index.read() as connection:
            now = rows.by_id(connection, row.id)
            gone = rows.exit_of_removed(connection, row.id) if now is None else None
        if now is None:
            if gone is None:
                raise NotFound(f'no container with ID "{row.id}" found: no such container')
            if gone < 0:
                raise ShimLost(f"container {row.name}: how it ended is not known: {SHIM_LOST}")
            return gone
        passed = run and (now.started != run or now.state in ("restarting", "starting"))
        if passed or now.state in ("created", "exited"):
            if now.state != "created" and now.exit_code < 0:
                raise ShimLost(f"container {now.name}: how it ended is not known: {now.error}")
            return max(now.exit_code, 0)
        run = now.started if now.state in RUNNING else run
        wait_once(context, now, cancel)


def wait_once(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Until the shim (which becomes the clean-up command) is gone; then the container is settled if that did not do it.

    Whoever starts or removes it holds its lock for that. His process is not waited for: it may live on for long, and be this one.
    """
    process = open_pidfd(row.pid, row.pid_start)
    shim = open_pidfd(row.shim_pid, row.shim_start)
    pidfds = [pidfd for pidfd in (process, shim) if pidfd >= 0]
    try:
        if shim >= 0 and (process < 0 or shim not in cancel.wait_readable(*pidfds)):
            cancel.wait_readable(shim, timeout=None if row.state == "restarting" else _SHIM_GRACE)
    finally:
        for pidfd in pidfds:
            os.close(pidfd)
    with context.locks.acquire(row.num, cancel):
        with context.index.read() as connection:
            now = rows.by_id(connection, row.id)
        if now is not None and now.state in (*HELD, "starting", "removing", "restarting") and not _guarded(context, now):
            from .cleanup import finish, stop_leftovers

            stop_leftovers(context, now, cancel)
            finish(context, now, cancel)


def _guarded(context: Context, row: ContainerRow) -> bool:
    """True while a shim stands beside it that has not yet written how it ended, or somebody waits to start it again."""
    if row.state == "restarting":
        return alive(row.shim_pid, row.shim_start)
    return shim_alive(context, row) and not (row.state in HELD and os.path.exists(exit_file(context, row)))


def end_descriptor(row: ContainerRow) -> int:
    """A descriptor that becomes readable once nothing more will be written to the container's log, unless its policy starts it
    again; while a restart is waited for, once that has been done or taken back.

    :returns: -1 where that is so already.
    """
    return open_pidfd(row.shim_pid, row.shim_start)
