"""Run to the end with bytes in and bytes out: the library's own session, without any terminal or attach plugin."""

from __future__ import annotations

import select
import signal

from ..cancel import Cancel
from ..errors import Cancelled, DeadlineExceeded, InvalidInput, RuntimeFailed
from ..processes import alive
from ..record import Record
from ..slots.attach import End, Outcome, Session
from .attached import conclude, lost
from .context import Context
from .rows import ContainerRow
from .start import Started, StreamsWish, start

_KILL_SECONDS = 30.0


class RunResult(Record):
    """How a container ended, and what it wrote.

    :param container_id: whose; the container is gone where it was made with ``remove``.
    :param exit_code: as a shell has it: 128+n for a signal.
    :param stdout: all of stream 1 (of a terminal: everything).
    :param stderr: all of stream 2.
    """

    container_id: str
    exit_code: int
    stdout: bytes
    stderr: bytes


def run_captured(context: Context, row: ContainerRow, stdin: bytes, cancel: Cancel) -> RunResult:
    """Start a container, feed it, and collect all that it writes.

    :param stdin: what it reads; it must have been made with ``stdin_open`` unless this is empty.
    :raises InvalidInput: there are bytes for it, but it has no open standard input.
    :raises ShimLost: nobody saw how it ended.
    :raises Cancelled, DeadlineExceeded: by ``cancel``; the container was killed.
    """
    if stdin and not row.parsed_options().stdin_open:
        raise InvalidInput("bytes for standard input need a container with stdin_open=True")
    wish = StreamsWish(stdin=bool(stdin), stdout=True, stderr=True, foreground=True)
    started = start(context, row, streams=wish, cancel=cancel)
    if started is None or started.session is None:
        raise InvalidInput(f"container {row.name} is running already")
    try:
        try:
            end, stdout, stderr = exchange(started.session, stdin, cancel)
        except (Cancelled, DeadlineExceeded):
            abandon(context, started)
            raise
        finally:
            started.session.close()
        if end.outcome is Outcome.LOST:
            code = lost(context, started, end, cancel).exit_code
        else:
            code = conclude(context, started, cancel)
    finally:
        started.shim.close()
    return RunResult(row.id, -1 if code is None else code, stdout, stderr)


def abandon(context: Context, started: Started) -> None:
    """Kill a container whose caller wants no more of it, and clean up; ``--rm`` is honoured."""
    try:
        context.client(started.row.runtime).kill(started.row.id, signal.SIGKILL, Cancel(_KILL_SECONDS))
    except RuntimeFailed:
        if alive(started.row.pid, started.row.pid_start):
            raise
    conclude(context, started, Cancel(_KILL_SECONDS))


def exchange(session: Session, stdin: bytes, cancel: Cancel) -> tuple[End, bytes, bytes]:
    """Feed a session, half-close it, and read it to its end.

    :returns: how it ended, and what came on streams 1 and 2.
    """
    written: dict[int, list[bytes]] = {1: [], 2: []}
    rest = memoryview(stdin)
    if not rest:
        session.close_stdin()
    while True:
        item = session.receive()
        if isinstance(item, End):
            return item, b"".join(written[1]), b"".join(written[2])
        if item is not None:
            written[item.stream].append(item.data)
            continue
        if rest:
            taken = session.send(bytes(rest[:65536]))
            rest = rest[taken:]
            if not rest:
                session.close_stdin()
            if taken:
                continue
        _wait(session, cancel, feeding=bool(rest))


def _wait(session: Session, cancel: Cancel, *, feeding: bool) -> None:
    """Until there is output, or room for input where there is some left, or the token fires."""
    wanted = {cancel.fileno(): select.POLLIN, session.fileno(): select.POLLIN}
    if feeding:
        room = session.writable_fileno()
        # Another descriptor than the session's is asked for room alone: whether it is readable means nothing.
        wanted[room] = wanted.get(room, 0) | select.POLLOUT
    poll = select.poll()
    for fd, events in wanted.items():
        poll.register(fd, events)
    remaining = cancel.remaining()
    poll.poll(None if remaining is None else remaining * 1000 + 1)
    cancel.check()
