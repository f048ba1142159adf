"""Joining the streams of a container that runs already, by a person's descriptors or by a program's sources and sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import InvalidInput, InvalidState, NotFound, ShimLost
from ..slots.attach import End, Outcome
from . import initialized
from .attached import carry
from .context import Context
from .pump import check, pump
from .rows import ContainerRow
from .session import SocketSession, connect
from .start import Started, release, start
from .state import is_running
from .stop import wait
from .streams import RunOutcome, Streams, terminal_size
from .telling import tell

if TYPE_CHECKING:
    from .pump import Sink, Source


def session_of(context: Context, row: ContainerRow, *, stdin: bool, stdout: bool, stderr: bool, cancel: Cancel) -> SocketSession:
    """A session with the process of a container that runs. It misses what was said before; it never holds the container up: one
    that leaves too much lying is dropped.

    :param stdin: feed its input, where it has one.
    :raises InvalidState: it does not run, or has as many sessions as it may have.
    :raises NotFound: it has just ended.
    :raises ShimLost: the shim is gone in the middle of it.
    """
    if not is_running(context, row):
        raise InvalidState("you can only attach to running containers", hint=f"conman start {row.name}")
    return connect(context.layout.container_run(row.id) + "/attach.sock", stdin=stdin and row.parsed_options().stdin_open,
                   stdout=stdout, stderr=stderr, foreground=False, cancel=cancel)


def join_person(context: Context, row: ContainerRow, streams: Streams, cancel: Cancel) -> RunOutcome:
    """Join a person's terminal or pipes to a container that runs, until it ends or they detach (``conman attach``).

    :raises InvalidState: it does not run, or has as many sessions as it may have.
    :raises OSError: the output is not taken any more, see :func:`.attached.carry`; the container goes on.
    :raises ShimLost: the connection broke, or this caller was too slow and was dropped.
    """
    try:
        session = session_of(context, row, stdin=streams.stdin >= 0, stdout=streams.stdout >= 0, stderr=streams.stderr >= 0,
                             cancel=cancel)
    except NotFound:
        return RunOutcome(row.id, "exited", wait(context, row, cancel))
    with session:
        tell(context, row, "attach")
        return join_joined(context, row, session, streams, cancel)


def join_joined(context: Context, row: ContainerRow, session: SocketSession, streams: Streams, cancel: Cancel) -> RunOutcome:
    """Carry a person's terminal or pipes through a session that is connected. Errors as :func:`join_person`."""
    lines, columns = terminal_size(streams)
    if lines and session.terminal:
        session.resize(rows=lines, columns=columns)
    return _outcome(context, row, carry(context, row, session, streams, cancel), cancel)


def join_program(context: Context, row: ContainerRow, *, stdin: Source, stdout: Sink, stderr: Sink, cancel: Cancel) -> RunOutcome:
    """Join a program's sources and sinks to a container that runs, until it ends. Errors as :func:`join_person`.

    :raises InvalidInput: there is input for a container without an open one.
    """
    stdin = check(stdin, stdout, stderr)
    if stdin is not None and not row.parsed_options().stdin_open:
        raise InvalidInput(f"container {row.name} has no open standard input", hint="make it with stdin_open=True")
    try:
        session = session_of(context, row, stdin=stdin is not None, stdout=stdout is not None, stderr=stderr is not None,
                             cancel=cancel)
    except NotFound:
        return RunOutcome(row.id, "exited", wait(context, row, cancel))
    with session:
        tell(context, row, "attach")
        return _outcome(context, row, pump(session, stdin=stdin, stdout=stdout, stderr=stderr, cancel=cancel), cancel)


def start_session(context: Context, row: ContainerRow, *, stdin: bool, stdout: bool, stderr: bool, foreground: bool,
                  size: tuple[int, int], cancel: Cancel) -> SocketSession:
    """Start a container with a session joined before its first byte; its shim looks after its end.

    :param foreground: the container waits where the session is slow; else the session is dropped.
    :raises InvalidState: it runs already.
    """
    options = row.parsed_options()

    def join(path: str) -> SocketSession:
        return connect(path, stdin=stdin and options.stdin_open, stdout=stdout, stderr=stderr, foreground=foreground,
                       cancel=cancel)

    early = initialized.go_on(context, row, cancel, join=join)
    if early is not None and early[1] is not None:
        return early[1]
    return _session(row, start(context, row, size=size, cancel=cancel, join=join))


def _session(row: ContainerRow, started: Started | None) -> SocketSession:
    if started is None or started.session is None:
        raise InvalidState(f"container {row.name} is running already", hint=f"conman attach {row.name}")
    try:
        release(started)
    except BaseException:
        started.session.close()
        started.shim.close()
        raise
    return started.session


def resize(context: Context, row: ContainerRow, *, rows: int, columns: int, cancel: Cancel) -> None:
    """Set the size of a running container's terminal.

    :raises InvalidState: it does not run, or has no terminal.
    """
    if not row.parsed_options().terminal:
        raise InvalidState(f"container {row.name} has no terminal", hint="make it with terminal=True")
    try:
        session = session_of(context, row, stdin=False, stdout=False, stderr=False, cancel=cancel)
    except NotFound:
        raise InvalidState(f"container {row.name} has ended") from None
    with session:
        session.resize(rows=rows, columns=columns)
        session.detach()


def _outcome(context: Context, row: ContainerRow, end: End, cancel: Cancel) -> RunOutcome:
    if end.outcome is Outcome.DETACHED:
        return RunOutcome(row.id, "detached", None)
    if end.outcome is Outcome.LOST:
        raise ShimLost(f"container {row.name}: the session was lost: {end.message or 'the shim is gone'}",
                       hint=f"conman logs {row.name}; conman attach {row.name}")
    return RunOutcome(row.id, "exited", wait(context, row, cancel))

