"""Restart policies: whether a container that has ended by itself is started again, and who waits until then.

Whoever settles the end (the clean-up command, a foreground ``run``, the next command after a kill) leaves a *waiter*: a bare
interpreter that sleeps for the back-off and then becomes the clean-up command, which starts the container. The row says
``restarting`` meanwhile and names the waiter in the shim's place; whatever a person wants instead is done under the container's
lock, and ends the waiter first. So a restart is decided, taken back and carried out in one order.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..oci.runtime.options import ContainerOptions
from ..processes import alive, boot_id, environment, kill_exactly, start_time
from . import cgroups, rows
from .rows import ContainerRow

if TYPE_CHECKING:
    from ..cancel import Cancel
    from .context import Context

RESTARTING = "restarting"
"""The state of a container whose restart is waited for."""

POLICIES = ("no", "on-failure", "always", "unless-stopped")

FIRST_MS, LONGEST_MS = 100, 60_000
"""The back-off: it doubles from restart to restart, up to a minute (Docker's numbers)."""

STEADY_SECONDS = 10.0
"""A run that lasted so long begins the back-off anew."""

_WAITER = """import os, sys, time
pid = os.fork()
if pid:
    os.write(1, b"%d" % pid)
    os._exit(0)
os.setsid()
os.chdir("/")
os.umask(0o022)
for name in os.listdir("/proc/self/fd"):
    if int(name) > 2:
        try:
            os.close(int(name))
        except OSError:
            pass
os.dup2(0, 1)
time.sleep(int(sys.argv[1]) / 1000)
os.execv(sys.argv[2], sys.argv[2:])
"""


def parse_policy(text: str) -> tuple[str, int]:
    """``no``, ``on-failure[:N]``, ``always``, ``unless-stopped``.

    :returns: the policy, and how often it restarts at most; 0: no bound.
    :raises InvalidInput: it is none.
    """
    name, colon, count = text.partition(":")
    if name not in POLICIES:
        raise InvalidInput(f'"{text}" is not a valid restart policy', hint="no, on-failure[:N], always or unless-stopped")
    if not colon:
        return name, 0
    if name != "on-failure":
        raise InvalidInput(f'"{text}": restart policy retries can only be specified with on-failure restart policy')
    if not (count.isascii() and count.isdigit() and 0 < int(count[:12]) < 1 << 31):
        raise InvalidInput(f'"{text}": must specify restart policy retry count as a number greater than 0')
    return name, int(count)


def check_policy(options: ContainerOptions) -> None:
    """Refuse a policy that cannot be.

    :raises InvalidInput: no such policy, a bound without ``on-failure``, or ``remove`` with a policy.
    """
    if options.restart not in ("", *POLICIES):
        raise InvalidInput(f'"{options.restart}" is not a valid restart policy', hint=f"one of {', '.join(POLICIES)}")
    if options.restart_tries < 0 or (options.restart_tries and options.restart != "on-failure"):
        raise InvalidInput("restart policy retries can only be specified with on-failure restart policy, and are not negative")
    if options.remove and options.restart not in ("", "no"):
        raise InvalidInput('the --rm option conflicts with --restart, when the restartPolicy is not "" and "no"')


def wanted(row: ContainerRow) -> bool:
    """Whether the policy starts a container again that has ended as this row says.

    :param row: of a run that is over. An end that nobody saw (-1) is a failure.
    """
    options = row.parsed_options()
    if options.restart in ("", "no") or row.stopped:
        return False
    if options.restart != "on-failure":
        return True
    return row.exit_code != 0 and (not options.restart_tries or row.restarts < options.restart_tries)


def next_backoff(row: ContainerRow) -> int:
    """Milliseconds until the next restart, after a run that ended as this row says."""
    if not row.backoff or row.finished - row.started >= STEADY_SECONDS:
        return FIRST_MS
    return min(2 * row.backoff, LONGEST_MS)


def leave_waiter(context: Context, row: ContainerRow, delay_ms: int) -> ContainerRow:
    """Begin to wait for the restart of a container that has ended. The caller holds its lock, and writes the row.

    :returns: the row as it is to be; a host that can start no process any more leaves it as it was, and that is logged.
    """
    try:
        pid = _spawn_waiter(context.cleanup_argv(row.id), delay_ms)
    except OSError as error:
        context.log.warning("container %s is not restarted: %s", row.name, error.strerror)
        return row
    for folder in cgroups.shim_dirs(context.facts):  # none where it is a clean-up command, which is where its shim was
        try:
            with open(folder + "/cgroup.procs", "w", encoding="ascii") as file:
                file.write(str(pid))
        except OSError as error:
            context.log.info("the waiter of container %s stays in its caller's cgroup: %s", row.name, error.strerror)
    return row._replace(state=RESTARTING, shim_pid=pid, shim_start=start_time(pid), backoff=delay_ms)


def _spawn_waiter(argv: tuple[str, ...], delay_ms: int) -> int:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0)
        actions = [null, (os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, 0, 2)]
        usual = [n for n in range(1, 32) if n not in (9, 19)]
        child = os.posix_spawn(sys.executable, (sys.executable, "-I", "-S", "-c", _WAITER, str(delay_ms), *argv), environment(),
                               file_actions=actions, setsigmask=[], setsigdef=usual)
    finally:
        os.close(writer)
    said = b""
    try:
        while data := os.read(reader, 32):  # to the end: the waiter has a session of its own by then
            said += data
    finally:
        os.close(reader)
        try:
            os.waitpid(child, 0)
        except ChildProcessError:
            pass  # the embedding program reaps everything
    if not said.isdigit():
        raise OSError(0, "its waiter could not be started")
    return int(said)


def is_waited_for(row: ContainerRow) -> bool:
    """True while the waiter of a restart lives (or the clean-up command that it became)."""
    return row.state == RESTARTING and row.boot_id == boot_id() and alive(row.shim_pid, row.shim_start)


def dismiss(row: ContainerRow) -> None:
    """End a waiter. The caller holds the container's lock: it does nothing yet, or waits for that."""
    kill_exactly(row.shim_pid, row.shim_start)


def take_back(context: Context, row: ContainerRow) -> ContainerRow:
    """A person wants no restart: the container is ``exited`` from now on. The caller holds its lock."""
    dismiss(row)
    row = row._replace(state="exited", shim_pid=0, shim_start=0, stopped=1, backoff=0)
    with context.index.write() as connection:
        rows.update(connection, row.id, state=row.state, shim_pid=0, shim_start=0, stopped=1, backoff=0)
    return row


def carry_out(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Start a container whose back-off has passed. Called by its waiter, which holds its lock.

    Where it cannot be started that is the end: ``exited``, with the reason in its record (Docker's rule).
    """
    from .start import release, start_locked

    release(start_locked(context, row, cancel=cancel, again=True))


def set_policy(context: Context, row: ContainerRow, policy: str, tries: int, cancel: Cancel) -> ContainerRow:
    """Change a container's policy, in whatever state it is; from its next end on. Where a restart is waited for that the new one
    does not want, that is taken back.

    :raises InvalidInput: as :func:`check_policy`.
    :raises NotFound: it is gone.
    """
    from .state import refreshed

    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        options = now.parsed_options()._replace(restart=policy, restart_tries=tries)
        check_policy(options)
        now = now._replace(options=rows.options_json(options))
        with context.index.write() as connection:
            rows.update(connection, now.id, options=now.options)
        if now.state == RESTARTING and not wanted(now):
            now = take_back(context, now)._replace(stopped=0)
            with context.index.write() as connection:
                rows.update(connection, now.id, stopped=0)
    return now
