"""What follows a container's end: forget it at the runtime, unmount, record how it ended, remove it where asked.

Every step may be repeated: after a crash the next command does it all again from the top. Done under the container's lock.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable

from ..cancel import Cancel
from ..errors import InvalidState, PluginNotInstalled
from ..processes import alive, boot_id, start_time
from ..slots.storage import KeyRequest
from . import cgroups, rows
from .bundle import pinned
from .context import Context
from .exitfile import ExitStatus
from .files import remove_named
from .rootfs import release
from .rows import ContainerRow
from .state import HELD, RUNNING, ended, exit_status
from .telling import tell

_INTERRUPTED = "the start was interrupted"

if TYPE_CHECKING:
    from .networking import Beside
    from .runtime_client import RuntimeClient


def finish(context: Context, row: ContainerRow, cancel: Cancel, *, again: bool = True) -> ContainerRow:
    """Bring a container whose process has ended (or whose shim is lost) to ``exited``, away where ``--rm`` says so, or to
    ``restarting`` where its policy does.

    The caller holds its lock and knows that no shim guards it any more, or that its exit file is written.

    :param again: its policy may start it again; False where the caller has something else in mind.
    :returns: the row as it is now; its state is ``removing`` where it is gone.
    """
    from .execs.ending import end_with

    end_with(context, row)
    status = exit_status(context, row)
    rebooted = row.boot_id != boot_id()
    over = _ended(row, status, rebooted)
    if (row.parsed_options().remove and not _restarted(row)) or row.state == "removing":
        # The row says `removing` before anything goes, so that this may go on while the runtime forgets the container.
        take_down(context, row, cancel, meanwhile=lambda: _dismantle(context, over, cancel, ran=_ran(row, over),
                                                                     volumes=row.parsed_options().remove))
        _leave_networks(context, row, cancel)
        gone = _forget(context, over)
        tell(context, over, *(("cleanup",) if _ran(row, over) else ()), "remove")
        return gone
    take_down(context, row, cancel)
    ran, row = _ran(row, over), over
    row = row._replace(shim_pid=0, shim_start=0)
    if again and not rebooted and row.state == "exited":
        row = _again(context, row)
    if row.state == "exited":
        row = row._replace(backoff=0)
    with context.index.write() as connection:
        rows.update(connection, row.id, state=row.state, exit_code=row.exit_code, finished=row.finished, oom=row.oom,
                    error=row.error, pid=0, pid_start=0, shim_pid=row.shim_pid, shim_start=row.shim_start, owner_pid=0,
                    owner_start=0, backoff=row.backoff)
    if ran:
        tell(context, row, "died", "cleanup", exit_code=row.exit_code)
    return row


def _again(context: Context, row: ContainerRow) -> ContainerRow:
    """The row of a container that has just ended, with a waiter where its policy is to start it again."""
    if row.parsed_options().restart in ("", "no") or not row.started:
        return row
    from . import restart

    return restart.leave_waiter(context, row, restart.next_backoff(row)) if restart.wanted(row) else row


def _restarted(row: ContainerRow) -> bool:
    """Whether somebody has ended the run in order to begin another: then it stays, with ``--rm`` too."""
    return row.state in RUNNING and alive(row.owner_pid, row.owner_start)


def _ran(before: ContainerRow, over: ContainerRow) -> bool:
    """Whether there is an end to be told: not of a run that had ended before, or never began."""
    return before.state in ("starting", *HELD) and over.state == "exited" and over.error != _INTERRUPTED


def take_down(context: Context, row: ContainerRow, cancel: Cancel, *, meanwhile: Callable[[], None] | None = None) -> None:
    """Undo what a start made on the host: the runtime's state, the mount, the bundle. The container's process has ended.

    :param meanwhile: what else is to be done; called once, while the runtime is at work where it has anything to do.
    """
    leaving = _begin_leaving(context, row, cancel)
    if row.boot_id == boot_id():
        client = _runtime_that_knows(context, row)
        if client is not None:
            forgetting = client.begin_delete(row.id, force=alive(row.pid, row.pid_start))
            try:
                _unmount(context, row, cancel)  # beside it: the container's own mounts went with its process
                if meanwhile is not None:
                    meanwhile()
                    meanwhile = None
            finally:
                client.end_delete(forgetting, row.id, cancel)
            _clear_runtime(context, row, cancel)
        _unmount(context, row, cancel)
    if meanwhile is not None:
        meanwhile()
    if leaving is not None:
        leaving.wait(Cancel())
    _remove_run_folder(context, row)


def _begin_leaving(context: Context, row: ContainerRow, cancel: Cancel) -> Beside | None:
    """Give back what the container has of networks, beside the rest; None where there can be nothing."""
    if row.parsed_options().network != "bridge" and not os.path.lexists(pinned(context, row)):
        return None
    from .networking import Beside, leave

    return Beside(lambda own: leave(context, row, own))


def _leave_networks(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Of a container that goes, what could not be given back at its end; then nobody would know of it any more."""
    if row.parsed_options().network == "bridge":
        from .networking import leave

        leave(context, row, cancel, must=True)


def _unmount(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    release(context, row, force=False)
    if _has_volumes(row) or '"O"' in row.options:
        from .volumes import at_end

        at_end(context, row, cancel)


def remove(context: Context, row: ContainerRow, cancel: Cancel, *, known: bool = True, volumes: bool = False) -> ContainerRow:
    """Remove a container that does not run: snapshot, log, exit file, row. The caller holds its lock.

    :param known: False: nobody was told that it was made, and nobody is told that it goes.
    :param volumes: its anonymous volumes go, too, unless another container has them.
    """
    _leave_networks(context, row, cancel)
    _dismantle(context, row, cancel, volumes=volumes or row.parsed_options().remove)
    _remove_run_folder(context, row)
    gone = _forget(context, row)
    if known:
        tell(context, row, "remove")
    return gone


def _dismantle(context: Context, row: ContainerRow, cancel: Cancel, *, ran: bool = False, volumes: bool = False) -> None:
    """Everything of a container but its row and its run folder, after the row says that it goes.

    :param ran: its run has just ended.
    """
    with context.index.write() as connection:
        rows.update(connection, row.id, state="removing", exit_code=row.exit_code, owner_pid=os.getpid(),
                    owner_start=start_time(os.getpid()))
        if volumes and _has_volumes(row):
            from ..volumes.rows import doom

            doom(connection, row.id)  # kept in the index: a removal that is killed is ended by somebody who was not told
    if ran:
        tell(context, row, "died", exit_code=row.exit_code)
    release(context, row, force=True)
    _remove_snapshot(context, row, cancel)
    options = row.parsed_options()
    if options.remove:
        remove_named(options.cidfile, row.id)
    _unlink(options.pidfile)
    _remove_tree(context.layout.container(row.id))


def _remove_snapshot(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """The container's own files; those of a plugin that is not installed any more stay behind, and that is said."""
    try:
        driver = context.driver(row.storage)
    except PluginNotInstalled:
        context.log.warning("container %s: its files stay behind in %s: the plugin %s is not installed; once it is again, conman "
                            "system check --repair removes them", row.name, context.layout.plugin_state(row.storage), row.storage)
        return
    driver.remove(KeyRequest(row.id, cancel))


def _forget(context: Context, row: ContainerRow) -> ContainerRow:
    if not _has_volumes(row):
        with context.index.write() as connection:
            rows.delete(connection, row, time.time())
        return row._replace(state="removing")
    from ..volumes import rows as volume_rows
    from .volumes import remove as remove_volumes

    with context.index.write() as connection:
        doomed = volume_rows.doomed_with(connection, row.id)
        rows.delete(connection, row, time.time())
        volume_rows.delete(connection, doomed)
    remove_volumes(context, doomed)
    return row._replace(state="removing")


def _has_volumes(row: ContainerRow) -> bool:
    return '"volume"' in row.options and any(mount.type == "volume" for mount in row.parsed_options().mounts)


def remove_unstarted(context: Context, row: ContainerRow) -> None:
    """Remove a container that was made and never ran; one that did run, or is gone, is left alone."""
    with context.locks.acquire(row.num):
        with context.index.read() as connection:
            now = rows.by_id(connection, row.id)
        if now is not None and now.state in ("creating", "created") and not now.started:
            remove(context, now, Cancel(), volumes=True)


def stop_leftovers(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Kill whatever still runs of a container; nothing left is no error."""
    cgroups.kill_all(context.facts, row.id, cancel)
    _clear_runtime(context, row, cancel)
    cgroups.remove(context.facts, row.id, cancel)


def _clear_runtime(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    client = _runtime_that_knows(context, row)
    if client is not None:
        client.end_delete(client.begin_delete(row.id, force=True), row.id, cancel, must=True)


def _runtime_that_knows(context: Context, row: ContainerRow) -> RuntimeClient | None:
    """The runtime, where it still keeps something of the container.

    One that is not installed any more is asked nothing: the container's processes are killed by their cgroup, and what the
    runtime wrote down lies in a folder of ours.
    """
    if not context.runtime_knows(row.runtime, row.id):
        return None
    try:
        return context.client(row.runtime)
    except PluginNotInstalled:
        cgroups.kill_all(context.facts, row.id, Cancel())
        _remove_tree(f"{context.layout.runtime_run(row.runtime)}/{row.id}")
        context.log.warning("container %s: the plugin %s is not installed: its record of the container was removed without it",
                            row.name, row.runtime)
        return None


def _ended(row: ContainerRow, status: ExitStatus | None, rebooted: bool) -> ContainerRow:
    """The row of a container that has ended just now; one that had ended before stays as it is."""
    if row.state in ("created", "exited", "removing"):
        return row
    if row.state == "restarting":
        return row._replace(state="exited")  # its waiter was killed; how it ended is known
    if row.state == "starting" and status is None:
        # Whoever started it was killed before the shim had a process: it is as it was before.
        return row._replace(state="exited" if row.started else "created", error=_INTERRUPTED)
    return ended(row._replace(pid=0, pid_start=0, shim_pid=0, shim_start=0), status, rebooted=rebooted)


def _remove_run_folder(context: Context, row: ContainerRow) -> None:
    folder = context.layout.container_run(row.id)
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        if name == "rootfs":
            try:
                os.rmdir(folder + "/rootfs")
            except OSError:  # still mounted for `conman mount`: it goes with that
                continue
        elif name == "exec":
            _remove_tree(f"{folder}/exec")
        else:
            _unlink(f"{folder}/{name}")
    try:
        os.rmdir(folder)
    except OSError:
        if os.listdir(folder) not in ([], ["rootfs"]):
            raise InvalidState(f"{folder} cannot be cleared") from None


def _remove_tree(folder: str) -> None:
    try:
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            if os.path.isdir(path) and not os.path.islink(path):
                _remove_tree(path)
            else:
                _unlink(path)
        os.rmdir(folder)
    except FileNotFoundError:
        return  # somebody was faster, or it never was


def _unlink(path: str) -> None:
    if not path:
        return
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
