"""A caller's descriptors joined to a container from its start to its end: the foreground ``run``, ``start -a``."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import DeadlineExceeded, InvalidState, PluginFailed, ShimLost
from . import initialized, rows
from .context import Context
from .rows import ContainerRow
from .streams import RunOutcome, Streams, terminal_size

if TYPE_CHECKING:
    from ..slots.attach import AttachRequest, End
    from .session import SocketSession
    from .start import Started


_OUTPUT_ENDS = (errno.EPIPE, errno.EBADF, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a write to the caller's own descriptors may say without being a defect of the plugin."""

_LAST_WORDS_SECONDS = 1.0
"""How long after a broken session the shim may still say how the container ended."""


def run_attached(context: Context, row: ContainerRow, streams: Streams, cancel: Cancel) -> RunOutcome:
    """Start a container with the caller's streams joined before its first byte, and stay until it ends or is detached from.

    :raises InvalidState: it runs already.
    :raises OSError: the output is not taken any more, see :func:`carry`; with ``--rm`` the container is gone, else it goes on.
    :raises ShimLost: the connection broke and nobody saw how the container ended.
    """
    from .start import release, start

    def meanwhile() -> None:
        # What is needed only later is loaded while the runtime is at work.
        context.attach()
        from . import cleanup, session  # noqa: F401

    options = row.parsed_options()
    early = initialized.go_on(context, row, cancel, join=lambda path: join_foreground(
        context, path, streams, stdin_open=options.stdin_open, terminal=options.terminal, cancel=cancel))
    if early is not None and early[1] is not None:
        from .joining import join_joined

        return join_joined(context, early[0], early[1], streams, cancel)
    started = start(context, row, size=terminal_size(streams), meanwhile=meanwhile, hold=True, cancel=cancel,
                    join=lambda path: join_foreground(context, path, streams, stdin_open=options.stdin_open,
                                                      terminal=options.terminal, cancel=cancel))
    if started is None or started.session is None:
        raise InvalidState(f"container {row.name} is running already", hint=f"conman attach {row.name}")
    from ..slots.attach import Outcome

    try:
        try:
            end = carry(context, row, started.session, streams, cancel)
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


def join_foreground(context: Context, socket_path: str, streams: Streams, *, stdin_open: bool, terminal: bool,
                    cancel: Cancel) -> SocketSession:
    """Join the streams of a process before it starts: nothing is lost, and it waits where the caller is slow.

    Pipes of the caller go to the shim where the attach plugin need not see what goes through them.

    :param socket_path: the attach socket.
    :param stdin_open: the process's input is open; else ``streams.stdin`` is left alone.
    :param terminal: the process has a terminal.
    :raises NotFound, InvalidState, ShimLost: as :func:`.session.connect`.
    """
    from .handover import NONE, close_pipes, open_pipes
    from .session import connect

    stdin = streams.stdin if stdin_open else -1
    pipes = NONE if terminal or not context.attach().direct else open_pipes(stdin, streams.stdout, streams.stderr)
    try:
        return connect(socket_path, stdin=stdin >= 0, stdout=streams.stdout >= 0, stderr=streams.stderr >= 0, foreground=True,
                       descriptors=pipes, cancel=cancel)
    finally:
        close_pipes(pipes)


def _unread(context: Context, started: Started, cancel: Cancel) -> None:
    """Nobody takes the output: with ``--rm`` it is over, else the container goes on without this caller (podman's rule)."""
    from .start import release
    from .stop import kill

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
    from .start import release
    from .stop import wait

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


def carry(context: Context, row: ContainerRow, session: SocketSession, streams: Streams, cancel: Cancel,
          command: tuple[str, ...] = ()) -> End:
    """Let the attach plugin carry bytes to the end, and take leave of the shim in good form where the person detached.

    :param command: the process's; empty: the container's own.
    :raises OSError: the caller's descriptor does not take output: nobody reads (BrokenPipeError), or a full disk.
    """
    from ..slots.attach import Outcome

    if not command and row.parsed_options().restart:
        session.signals = lambda number: _final(context, row, number)
    try:
        end = context.attach().run(_request(row, session, streams, cancel, command))
        if end.outcome is Outcome.DETACHED:
            session.detach()
        return end
    except PluginFailed as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _OUTPUT_ENDS:
            raise error.__cause__ from None
        raise
    finally:
        session.close()


def _final(context: Context, row: ContainerRow, number: int) -> None:
    """A person's signal that is to end the container ends it for good, whatever its restart policy."""
    from .stop import is_final, note_stopped

    if is_final(row, number):
        note_stopped(context, row)


def _request(row: ContainerRow, session: SocketSession, streams: Streams, cancel: Cancel,
             command: tuple[str, ...]) -> AttachRequest:
    from ..oci.runtime.process import process_args
    from ..slots.attach import AttachRequest

    mine = [-1 if stream in session.carried else fd
            for stream, fd in enumerate((streams.stdin if session.stdin_open else -1, streams.stdout, streams.stderr))]
    return AttachRequest(session=session, stdin=mine[0], stdout=mine[1], stderr=mine[2],
                         detach_keys=streams.detach_keys, forward_signals=streams.forward_signals, cancel=cancel,
                         container=row.id, name=row.name,
                         command=command or tuple(process_args(row.parsed_options(), row.image_parts())))
