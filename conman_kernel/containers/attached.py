"""A caller's descriptors joined to a container: the foreground ``run``, ``start -a``, ``attach``."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import DeadlineExceeded, InvalidState, NotFound, PluginFailed, ShimLost
from ..record import Record
from . import rows
from .context import Context
from .rows import ContainerRow
from .start import Started, StreamsWish, release, start
from .stop import is_running, kill, wait

if TYPE_CHECKING:
    from ..slots.attach import AttachRequest, End
    from .session import SocketSession


_OUTPUT_ENDS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write to the caller's own descriptors may say without being a defect of the plugin."""

_LAST_WORDS_SECONDS = 1.0
"""How long after a broken session the shim may still say how the container ended."""


class Streams(Record):
    """The caller's descriptors, -1 for none, and what a person's keys and signals mean.

    :param detach_keys: bytes that detach when typed on a terminal; empty: never.
    :param forward_signals: pass signals on that the calling process gets (``--sig-proxy``).
    """

    stdin: int = -1
    stdout: int = -1
    stderr: int = -1
    detach_keys: bytes = b""
    forward_signals: bool = True


class RunOutcome(Record):
    """How an attached run ended for its caller.

    :param container_id: whose.
    :param ended: ``exited`` or ``detached``.
    :param exit_code: where it exited, as a shell has it (128+n for a signal); else None.
    """

    container_id: str
    ended: str
    exit_code: int | None


def run_attached(context: Context, row: ContainerRow, streams: Streams, cancel: Cancel) -> RunOutcome:
    """Start a container with the caller's streams joined before its first byte, and stay until it ends or is detached from.

    :raises InvalidState: it runs already.
    :raises OSError: the output is not taken any more, see :func:`carry`; with ``--rm`` the container is gone, else it goes on.
    :raises ShimLost: the connection broke and nobody saw how the container ended.
    """
    def meanwhile() -> None:
        # What is needed only later is loaded while the runtime is at work.
        context.attach()
        from . import cleanup, session  # noqa: F401

    wish = StreamsWish(stdin=streams.stdin >= 0, stdout=streams.stdout >= 0, stderr=streams.stderr >= 0, foreground=True)
    started = start(context, row, streams=wish, size=terminal_size(streams), meanwhile=meanwhile,
                    cancel=cancel)
    if started is None or started.session is None:
        raise InvalidState(f"container {row.name} is running already", hint=f"conman attach {row.name}")
    from ..slots.attach import Outcome

    try:
        try:
            end = carry(context, started.session, streams, cancel)
        except OSError:
            _unread(context, started, cancel)
            raise
        if end.outcome is Outcome.DETACHED:
            release(started)
            return RunOutcome(row.id, "detached", None)
        if end.outcome is Outcome.LOST:
            return lost(context, started, end, cancel)
        return RunOutcome(row.id, "exited", conclude(context, started, cancel))
    finally:
        started.shim.close()


def _unread(context: Context, started: Started, cancel: Cancel) -> None:
    """Nobody takes the output: with ``--rm`` it is over, else the container goes on without this caller (podman's rule)."""
    if not started.row.parsed_options().remove:
        release(started)
        return
    from signal import SIGKILL

    try:
        kill(context, started.row, SIGKILL, cancel)
    except InvalidState:
        pass  # it ended by itself
    conclude(context, started, cancel)


def conclude(context: Context, started: Started, cancel: Cancel) -> int:
    """Wait for the exit file, clean up in the shim's place, and let it go."""
    from .cleanup import finish

    code = started.shim.wait_exited(cancel).code
    with context.locks.acquire(started.row.num):
        with context.index.read() as connection:
            now = rows.by_id(connection, started.row.id)
        if now is not None and now.started == started.row.started and now.state in ("running", "paused"):
            finish(context, now, Cancel())
    started.shim.done()
    return code


def lost(context: Context, started: Started, end: End, cancel: Cancel) -> RunOutcome:
    """After a session that broke: the exit code where the shim still gave one, else what became of the container.

    :raises ShimLost: nobody saw how it ended, or it goes on without this caller.
    """
    try:
        status = started.shim.wait_exited(Cancel(_LAST_WORDS_SECONDS))
    except DeadlineExceeded:
        release(started)
        raise ShimLost(f"container {started.row.name}: the session was lost: {end.message}; it goes on running",
                       hint=f"conman attach {started.row.name}; conman logs {started.row.name}") from None
    except ShimLost:
        wait(context, started.row, cancel)  # clears what is left, and says that nobody saw the end
        raise
    if end.message:
        context.log.warning("the session ended early: %s", end.message)
    conclude(context, started, cancel)
    return RunOutcome(started.row.id, "exited", status.code)


def attach_to(context: Context, row: ContainerRow, streams: Streams, cancel: Cancel) -> RunOutcome:
    """Join the streams of a container that runs.

    :raises InvalidState: it does not run, or somebody else is attached.
    :raises ShimLost: the connection broke, or this caller was too slow and was dropped.
    """
    if not is_running(context, row):
        raise InvalidState("you can only attach to running containers", hint=f"conman start {row.name}")
    options = row.parsed_options()
    socket = context.layout.container_run(row.id) + "/attach.sock"
    from ..slots.attach import Outcome
    from .session import connect

    try:
        session = connect(socket, stdin=streams.stdin >= 0 and options.stdin_open, stdout=streams.stdout >= 0,
                          stderr=streams.stderr >= 0, foreground=False, cancel=cancel)
    except NotFound:
        return RunOutcome(row.id, "exited", wait(context, row, cancel))
    try:
        rows_, columns = terminal_size(streams)
        if rows_ and session.terminal:
            session.resize(rows=rows_, columns=columns)
        end = carry(context, session, streams, cancel)
    finally:
        session.close()
    if end.outcome is Outcome.DETACHED:
        return RunOutcome(row.id, "detached", None)
    if end.outcome is Outcome.LOST:
        raise ShimLost(f"container {row.name}: the session was lost: {end.message or 'the shim is gone'}",
                       hint=f"conman logs {row.name}; conman attach {row.name}")
    return RunOutcome(row.id, "exited", wait(context, row, cancel))


def carry(context: Context, session: SocketSession, streams: Streams, cancel: Cancel) -> End:
    """Let the attach plugin carry bytes to the end, and take leave of the shim in good form where the person detached, or
    the output is not taken any more.

    :raises OSError: the caller's descriptor does not take output: nobody reads (BrokenPipeError), or a full disk.
    """
    from ..slots.attach import Outcome

    try:
        end = context.attach().run(_request(session, streams, cancel))
        if end.outcome is Outcome.DETACHED:
            session.detach()
        return end
    except PluginFailed as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _OUTPUT_ENDS:
            session.detach()
            raise error.__cause__ from None
        raise
    finally:
        session.close()


def _request(session: SocketSession, streams: Streams, cancel: Cancel) -> AttachRequest:
    from ..slots.attach import AttachRequest

    stdin = streams.stdin if session.stdin_open else -1
    return AttachRequest(session=session, stdin=stdin, stdout=streams.stdout, stderr=streams.stderr,
                         detach_keys=streams.detach_keys, forward_signals=streams.forward_signals, cancel=cancel)


def terminal_size(streams: Streams) -> tuple[int, int]:
    """Rows and columns of the caller's terminal; zeros where it has none."""
    for fd in (streams.stdin, streams.stdout):
        if fd >= 0 and os.isatty(fd):
            columns, lines = os.get_terminal_size(fd)
            return lines, columns
    return 0, 0
