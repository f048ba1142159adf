"""Exec sessions whose starter stays to the end: ``conman exec``, and a program that wants what a command writes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable

from ...cancel import Cancel
from ...errors import Cancelled, DeadlineExceeded, InvalidState, NotFound, ShimLost
from ...processes import open_pidfd, start_time
from ..context import Context
from ..rows import ContainerRow
from ..shim import CreateFailed, Shim
from ..telling import tell
from . import rows
from .launch import Launched, failure, remove_folder, socket_path
from .options import ExecOptions
from .rows import ExecRow
from .start import begin, begin_new, created, is_up, undo

if TYPE_CHECKING:
    from ...slots.attach import End
    from ..capture import RunResult
    from ..pump import Sink, Source
    from ..session import SocketSession
    from ..streams import RunOutcome, Streams

_LAST_WORDS_SECONDS = 1.0
"""How long after a broken session the shim may still say how the process ended."""

_CREATE_SECONDS = 10.0
"""How much longer a runtime command may take whose caller has given up."""

_KILLED = 137
_KILL_SECONDS = 30.0
_SHIM_SECONDS = 3.0
"""How long a shim whose connections have broken may take to be gone."""

Join = Callable[[str], "SocketSession"]
Carry = Callable[["SocketSession"], "End"]


def run_attached(context: Context, container: ContainerRow, options: ExecOptions, streams: Streams, cancel: Cancel) -> RunOutcome:
    """Run a command with a person's terminal or pipes joined, until it ends or they detach. Unless detached from it leaves no
    row.

    :raises InvalidState: the container does not run.
    :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused.
    :raises OSError: the output is not taken any more; the process goes on without this caller.
    :raises ShimLost: nobody saw how it ended.
    """
    from ..streams import terminal_size

    launched = begin_new(context, container, options, terminal_size(streams), detached=False, cancel=cancel)
    return _attached(context, launched, streams, cancel, keep=False)


def start_attached(context: Context, row: ExecRow, streams: Streams, cancel: Cancel) -> RunOutcome:
    """Start a session that was made, as :func:`run_attached`; its row and exit code stay."""
    from ..streams import terminal_size

    launched = begin(context, row, terminal_size(streams), detached=False, cancel=cancel)
    return _attached(context, launched, streams, cancel, keep=True)


def _attached(context: Context, launched: Launched, streams: Streams, cancel: Cancel, *, keep: bool) -> RunOutcome:
    from ..attached import carry, join_foreground  # loaded while the runtime is at work
    from ..streams import RunOutcome

    context.attach()
    row, options = launched.row, launched.options

    def join(path: str) -> SocketSession:
        return join_foreground(context, path, streams, stdin_open=options.stdin_open, terminal=options.terminal, cancel=cancel)

    def carried(session: SocketSession) -> End:
        try:
            return carry(context, row, session, streams, cancel, options.command)
        except OSError:
            launched.shim.release()
            raise

    code = _stay(context, launched, join, carried, cancel, keep=keep)
    return RunOutcome(row.id, "detached" if code is None else "exited", code)


def run_captured(context: Context, container: ContainerRow, options: ExecOptions, *, stdin: Source, stdout: Sink, stderr: Sink,
                 cancel: Cancel) -> RunResult:
    """Run a command with a program's sources and sinks, to its end; what has no sink is collected. It leaves no row.

    Errors as :func:`run_attached`; where the caller's own ends or its token cut it short, the process is killed.
    """
    from ..pump import check

    stdin = check(stdin, stdout, stderr)
    launched = begin_new(context, container, options, (0, 0), detached=False, cancel=cancel)
    from ..capture import RunResult  # loaded while the runtime is at work
    from ..pump import Collected, pump
    from ..pump import join as join_pipes

    said, complained = Collected(), Collected()
    out, err = said if stdout is None else stdout, complained if stderr is None else stderr

    def join(path: str) -> SocketSession:
        return join_pipes(path, stdin=stdin, stdout=out, stderr=err, stdin_open=options.stdin_open, terminal=options.terminal,
                          cancel=cancel)

    def pumped(session: SocketSession) -> End:
        try:
            return pump(session, stdin=stdin, stdout=out, stderr=err, cancel=cancel)
        except BaseException:
            session.signal(9)
            session.close()
            launched.shim.wait_exited(Cancel(_KILL_SECONDS))
            _over(context, launched, None, keep=False)
            raise

    code = _stay(context, launched, join, pumped, cancel, keep=False)
    return RunResult(launched.row.id, -1 if code is None else code, said.content, complained.content)


def start_joined(context: Context, launched: Launched, join: Join, cancel: Cancel) -> SocketSession:
    """See a launched session through its start with somebody joined before its first byte, and leave it to its shim and him.

    Errors as :func:`.start.created` and :func:`..session.connect`.
    """
    try:
        session = _join(context, launched, join, cancel, keep=True)
        try:
            launched.shim.release()
        except BaseException:
            session.close()
            raise
        return session
    finally:
        launched.shim.close()


def _join(context: Context, launched: Launched, join: Join, cancel: Cancel, *, keep: bool) -> SocketSession:
    """Joined while the runtime is at work: the first byte waits for nothing else."""
    session: SocketSession | None = None
    try:
        session = _first(context, launched, join, cancel)
        launched.shim.started()
        try:
            pid = created(context, launched, cancel)
        except (Cancelled, DeadlineExceeded):
            # It may well have said something by now: whoever carries it is to end it, or to leave it alone, as at any later time.
            pid = created(context, launched, Cancel(_CREATE_SECONDS))
        is_up(context, launched, pid)
        return session
    except BaseException as error:
        undo(context, launched, error, keep=keep, session=session)
        raise


def _first(context: Context, launched: Launched, join: Join, cancel: Cancel) -> SocketSession:
    """Join as soon as anybody can. Where the runtime was faster to refuse, that is the error."""
    try:
        launched.shim.wait_listening(cancel)
        return join(socket_path(launched.folder))
    except CreateFailed as error:
        raise failure(context, launched, error) from None
    except (InvalidState, NotFound, ShimLost):
        created(context, launched, Cancel(_CREATE_SECONDS))
        raise


def _stay(context: Context, launched: Launched, join: Join, carry: Carry, cancel: Cancel, *, keep: bool) -> int | None:
    """Start, carry, and see to the end. None: detached from."""
    from ...slots.attach import Outcome

    shim = launched.shim
    try:
        with _join(context, launched, join, cancel, keep=keep) as session:
            end = carry(session)
        if end.outcome is Outcome.DETACHED:
            shim.release()
            return None
        try:
            status = shim.wait_exited(cancel if end.outcome is Outcome.EXITED else Cancel(_LAST_WORDS_SECONDS))
        except DeadlineExceeded:
            if end.outcome is Outcome.EXITED:
                raise  # the caller's own deadline
            shim.release()
            raise ShimLost(f"exec session {launched.id[:12]}: the session was lost: {end.message}; it goes on running") from None
        except ShimLost:
            _lost(context, launched, keep=keep)
            raise
        _over(context, launched, (status.code, status.finished_ns / 1e9), keep=keep)
        return status.code
    finally:
        shim.close()


def _over(context: Context, launched: Launched, how: tuple[int, float] | None, *, keep: bool) -> None:
    """What the clean-up command would do, in the shim's place: keep how it ended, or nothing; remove its files."""
    remove_folder(launched.folder)
    with context.index.write() as connection:
        if keep and how is not None:
            first = rows.ended(connection, launched.id, code=how[0], finished=how[1])
        else:
            first = rows.delete(connection, launched.id)
    launched.shim.done()
    if first:
        tell(context, launched.row, "exec_died", exit_code=_KILLED if how is None else how[0], exec_id=launched.id)


def _lost(context: Context, launched: Launched, *, keep: bool) -> None:
    """The shim was killed: so is the process."""
    from . import ending

    _gone(launched.shim)
    with context.index.read() as connection:
        row = rows.by_id(connection, launched.id)
    if row is not None:
        ending.settle(context, row, Cancel(_KILL_SECONDS))
    if not keep:
        ending.forget(context, launched.row.id, launched.id)


def _gone(shim: Shim) -> None:
    """Its connections are closed a moment before it is gone."""
    pidfd = open_pidfd(shim.pid, start_time(shim.pid))
    if pidfd >= 0:
        try:
            Cancel().wait_readable(pidfd, timeout=_SHIM_SECONDS)
        finally:
            os.close(pidfd)
