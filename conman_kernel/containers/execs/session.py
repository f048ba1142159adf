"""An exec session as callers hold it. All of it is in the store: any process may go on with what another has begun."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...cancel import Cancel
from ...errors import InvalidState, NotFound, ShimLost
from ...processes import open_pidfd
from .. import rows as containers
from ..context import Context
from ..session import SocketSession, connect
from . import ending, rows, start
from .foreground import start_attached, start_joined
from .launch import folder_of, socket_path
from .options import ExecOptions
from .rows import ExecRow

if TYPE_CHECKING:
    from ..streams import RunOutcome, Streams

_UNDER_WAY = (rows.STARTING, rows.RUNNING)
_RETRY_SECONDS = 0.02
"""How often it is looked whether a session that another process is just starting has come that far."""


class ExecSession:
    """One more process in a container: made, started, joined, waited for, removed, by one process or several.

    Properties are as of when it was read; :meth:`refresh` reads again. Its exit code is kept until the container is started again
    or removed, or 128 others of the container have ended after it.
    """

    __slots__ = ("_context", "_options", "_row")

    def __init__(self, context: Context, row: ExecRow) -> None:
        self._context = context
        self._row = row
        self._options: ExecOptions | None = None

    def __repr__(self) -> str:
        return f"ExecSession({self.id[:12]!r}, container={self.container_id[:12]!r}, state={self.state!r})"

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self._row.id

    @property
    def container_id(self) -> str:
        """Whose it is."""
        return self._row.container_id

    @property
    def state(self) -> str:
        """``created``, ``running``, ``exited``, or ``lost``: its shim was killed, and its process with it."""
        return rows.CREATED if self._row.state == rows.STARTING else self._row.state

    @property
    def exit_code(self) -> int:
        """As a shell has it, 128+n for a signal; 126, 127 or 255 where the runtime refused; -1 where it is not known."""
        return self._row.exit_code

    @property
    def pid(self) -> int:
        """Its process, as this host sees it; 0 where it does not run."""
        return self._row.pid

    @property
    def options(self) -> ExecOptions:
        """What was asked for."""
        if self._options is None:
            self._options = self._row.options()
        return self._options

    def refresh(self) -> ExecSession:
        """Read it again.

        :returns: itself.
        :raises NotFound: it is gone, with its container or alone.
        """
        self._row = self._now()
        return self

    def start(self, *, cancel: Cancel | None = None) -> None:
        """Start it and leave it to its shim.

        :raises InvalidState: it was started before, or its container does not run any more.
        :raises NotFound: it, its container or the user is gone.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused; it is ``exited`` then.
        """
        watch = cancel or Cancel()
        launched = start.begin(self._context, self._row, (0, 0), detached=True, cancel=watch)
        start.start_detached(self._context, launched, keep=True, cancel=watch)
        self._row = self._read()

    def start_session(self, *, stdin: bool = False, stdout: bool = True, stderr: bool = True, foreground: bool = True,
                      size: tuple[int, int] = (0, 0), cancel: Cancel | None = None) -> SocketSession:
        """Start it with a session joined before its first byte, to be driven and closed by the caller. Errors as :meth:`start`.

        :param stdin: feed its input, which ends with this session.
        :param foreground: where the caller is slow the process waits; else the session is dropped.
        :param size: rows and columns of its terminal; zeros: those of an earlier :meth:`resize`.
        """
        watch = cancel or Cancel()
        launched = start.begin(self._context, self._row, size, detached=not stdin, cancel=watch)
        session = start_joined(self._context, launched, lambda path: connect(
            path, stdin=stdin and launched.options.stdin_open, stdout=stdout, stderr=stderr, foreground=foreground, cancel=watch),
            watch)
        self._row = self._read()
        return session

    def start_attached(self, streams: Streams, *, cancel: Cancel | None = None) -> RunOutcome:
        """Start it with a person's terminal or pipes joined, until it ends or they detach. Errors as :meth:`start`, and

        :raises OSError: the output is not taken any more; the process goes on without this caller.
        :raises ShimLost: nobody saw how it ended.
        """
        outcome = start_attached(self._context, self._row, streams, cancel or Cancel())
        self._row = self._read()
        return outcome

    def session(self, *, stdin: bool = False, stdout: bool = True, stderr: bool = True,
                cancel: Cancel | None = None) -> SocketSession:
        """Join one that runs. Nothing is replayed; a session that leaves too much lying is dropped.

        :raises InvalidState: it does not run, or has as many sessions as it may have.
        :raises NotFound: it is gone, or has just ended.
        """
        row = self._running()
        return connect(self._socket(), stdin=stdin and row.options().stdin_open, stdout=stdout, stderr=stderr, foreground=False,
                       cancel=cancel or Cancel())

    def resize(self, *, rows: int, columns: int, cancel: Cancel | None = None) -> None:
        """Set the size of its terminal, in characters. Before its start it is kept for that.

        :raises InvalidState: it is over, or has no terminal.
        :raises NotFound: it is gone.
        """
        watch = cancel or Cancel()
        if not self.options.terminal:
            raise InvalidState(f"exec session {self.id[:12]} has no terminal", hint="make it with terminal=True")
        if self._keep_size((rows, columns), watch):
            return
        if self._now().state not in _UNDER_WAY:
            raise self._over()
        try:
            session = connect(self._socket(), stdin=False, stdout=False, stderr=False, foreground=False, cancel=watch)
        except NotFound:
            raise self._over() from None
        with session:
            session.resize(rows=rows, columns=columns)
            session.detach()

    def kill(self, signal: int = 9) -> None:
        """Send a signal to its process; those that this has begun are not reached.

        :raises InvalidState: it does not run.
        :raises NotFound: it is gone.
        """
        row = self._running()
        pidfd = open_pidfd(row.pid, row.pid_start)
        if pidfd < 0:
            raise self._over()
        from signal import pidfd_send_signal

        try:
            pidfd_send_signal(pidfd, signal)
        except ProcessLookupError:
            raise self._over() from None
        finally:
            os.close(pidfd)

    def wait(self, *, cancel: Cancel | None = None) -> int:
        """Wait until it is over, whoever started it.

        :returns: its exit code, from the exit file.
        :raises InvalidState: it was not started.
        :raises ShimLost: nobody saw how it ended.
        :raises NotFound: it is gone.
        """
        watch = cancel or Cancel()
        while True:
            row = self._row = self._now()
            if row.state == rows.CREATED:
                raise InvalidState(f"exec session {row.id[:12]} was not started")
            if row.state == rows.LOST:
                raise ShimLost(f"exec session {row.id[:12]}: how it ended is not known: shim lost")
            if row.state == rows.EXITED:
                return row.exit_code
            fd = self._watch(row)
            if fd < 0:
                watch.wait_readable(timeout=_RETRY_SECONDS)
                continue
            try:
                watch.wait_readable(fd)
            finally:
                os.close(fd)

    def watch(self) -> int:
        """A descriptor that becomes readable once it is over, for event loops; the caller closes it. Then :meth:`wait` answers at
        once, or nearly so.

        :returns: -1 where it does not run.
        :raises NotFound: it is gone.
        """
        row = self._now()
        return self._watch(row) if row.state in _UNDER_WAY else -1

    def remove(self, *, cancel: Cancel | None = None) -> None:
        """Forget it and its exit code.

        :raises InvalidState: it runs, or is being started.
        :raises NotFound: it is gone, with its container or alone.
        """
        container = self._container()
        with self._context.locks.acquire(container.num, cancel or Cancel()):
            row = self._read()
            if row.state in _UNDER_WAY and ending.status_of(self._context, row) is None and ending.upheld(self._context, row):
                raise InvalidState(f"exec session {row.id[:12]} is running", hint="kill it, and wait for its end")
        if row.state in _UNDER_WAY:
            ending.settle(self._context, row, cancel or Cancel())
        ending.forget(self._context, row.container_id, row.id)

    def inspect(self) -> dict[str, object]:
        """It under the keys of docker's and podman's exec inspect; JSON-ready. ``ExitCode`` is null before its end is known."""
        row, options = self._row, self.options
        ended = row.state in (rows.EXITED, rows.LOST)
        return {
            "CanRemove": row.state not in _UNDER_WAY, "ContainerID": row.container_id, "DetachKeys": "",
            "ExitCode": row.exit_code if ended else None, "ID": row.id, "OpenStderr": True, "OpenStdin": options.stdin_open,
            "OpenStdout": True, "Running": row.state == rows.RUNNING, "Pid": row.pid,
            "ProcessConfig": {"arguments": list(options.command[1:]), "entrypoint": options.command[0],
                              "privileged": options.privileged, "tty": options.terminal, "user": options.user}}

    def _read(self) -> ExecRow:
        with self._context.index.read() as connection:
            row = rows.by_id(connection, self.id)
        if row is None:
            with self._context.index.read() as connection:
                container = containers.by_id(connection, self.container_id)
            what = f'exec session with ID "{self.id}" found: no such exec session' if container is not None else \
                f'container with ID "{self.container_id}" found: no such container'
            raise NotFound(f"no {what}")
        return row

    def _now(self) -> ExecRow:
        """As it is now, and not as somebody wrote it who did not live to see the end."""
        row = self._read()
        if row.state not in _UNDER_WAY:
            return row
        status = ending.status_of(self._context, row)
        if status is not None:
            ending.record(self._context, row, status)
        elif not ending.upheld(self._context, row):
            ending.settle(self._context, row, Cancel())
        else:
            ending.adopt(self._context, row)
        return self._read()

    def _running(self) -> ExecRow:
        row = self._now()
        if row.state != rows.RUNNING:
            raise self._over() if row.state != rows.STARTING else \
                InvalidState(f"exec session {row.id[:12]} is just being started")
        return row

    def _over(self) -> InvalidState:
        return InvalidState(f"exec session {self.id[:12]} does not run")

    def _container(self) -> containers.ContainerRow:
        with self._context.index.read() as connection:
            container = containers.by_id(connection, self.container_id)
        if container is None:
            raise NotFound(f'no container with ID "{self.container_id}" found: no such container')
        return container

    def _keep_size(self, size: tuple[int, int], cancel: Cancel) -> bool:
        with self._context.locks.acquire(self._container().num, cancel):
            row = self._read()
            if row.state != rows.CREATED:
                return False
            with self._context.index.write() as connection:
                rows.resized(connection, row, size)
            return True

    def _socket(self) -> str:
        return socket_path(folder_of(self._context, self.container_id, self.id))

    def _watch(self, row: ExecRow) -> int:
        """A session that takes no part: its connection becomes readable when the shim says the end, or is killed."""
        try:
            with connect(self._socket(), stdin=False, stdout=False, stderr=False, foreground=False, cancel=Cancel()) as session:
                return os.dup(session.fileno())
        except (InvalidState, NotFound, ShimLost) as error:
            if ending.status_of(self._context, row) is not None:
                return -1  # it has ended meanwhile; its shim may stay for as long as who started it does
            # All its sessions are taken: then the process is what is left to wait for. Else it is ending, or not yet there.
            process = open_pidfd(row.pid, row.pid_start) if isinstance(error, InvalidState) else -1
            return process if process >= 0 else open_pidfd(row.shim_pid, row.shim_start)


def session_by_id(context: Context, id: str) -> ExecSession:
    """A session by its id or the beginning of it. Errors as :func:`.rows.find`."""
    with context.index.read() as connection:
        row = rows.find(connection, id)
    return ExecSession(context, row).refresh()


def sessions_of(context: Context, container: str) -> list[ExecSession]:
    """A container's sessions, the oldest first."""
    with context.index.read() as connection:
        found = rows.of_container(connection, container)
    sessions = []
    for row in found:
        try:
            sessions.append(ExecSession(context, row).refresh())
        except NotFound:
            continue  # the command that it belonged to has just ended
    return sessions
