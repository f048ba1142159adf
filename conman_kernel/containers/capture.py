"""Run to the end with a program's sources and sinks: the library's own session, without any terminal or attach plugin."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ..cancel import Cancel
from ..errors import InvalidInput, RuntimeFailed
from ..processes import alive
from ..record import Record
from ..slots.attach import Outcome
from .attached import conclude, lost
from .context import Context
from .pump import Collected, check, join, pump
from .rows import ContainerRow
from .start import Started, start

if TYPE_CHECKING:
    from .pump import Sink, Source

_KILL_SECONDS = 30.0


class RunResult(Record):
    """How a container ended, and what it wrote.

    :param container_id: whose; the container is gone where it was made with ``remove``.
    :param exit_code: as a shell has it: 128+n for a signal.
    :param stdout: all of stream 1 (of a terminal: everything); empty where a sink took it.
    :param stderr: all of stream 2, likewise.
    """

    container_id: str
    exit_code: int
    stdout: bytes
    stderr: bytes


def run_captured(context: Context, row: ContainerRow, *, stdin: Source, stdout: Sink, stderr: Sink, cancel: Cancel) -> RunResult:
    """Start a container, feed it, and give away or collect all that it writes.

    :param stdin: what it reads; it must have been made with ``stdin_open`` unless there is nothing.
    :param stdout: where stream 1 goes; None: it is collected. ``stderr`` likewise.
    :raises InvalidInput: there are bytes for it, but it has no open standard input.
    :raises OSError: a source or a sink failed; the container was killed.
    :raises ShimLost: nobody saw how it ended.
    :raises Cancelled, DeadlineExceeded: by ``cancel``; the container was killed.
    """
    options = row.parsed_options()
    if not options.stdin_open and stdin not in (b"", None):
        raise InvalidInput("bytes for standard input need a container with stdin_open=True")
    stdin = check(stdin, stdout, stderr)
    said, complained = Collected(), Collected()
    ends = (stdin, said if stdout is None else stdout, complained if stderr is None else stderr)
    started = start(context, row, cancel=cancel,
                    join=lambda path: join(path, stdin=ends[0], stdout=ends[1], stderr=ends[2], stdin_open=options.stdin_open,
                                           terminal=options.terminal, cancel=cancel))
    if started is None or started.session is None:
        raise InvalidInput(f"container {row.name} is running already")
    try:
        try:
            end = pump(started.session, stdin=ends[0], stdout=ends[1], stderr=ends[2], cancel=cancel)
        except BaseException:
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
    return RunResult(row.id, -1 if code is None else code, said.content, complained.content)


def abandon(context: Context, started: Started) -> None:
    """Kill a container whose caller wants no more of it, and clean up; ``--rm`` is honoured, and no policy starts it again."""
    if started.row.parsed_options().restart:
        from .stop import note_stopped

        note_stopped(context, started.row)
    try:
        context.client_of(started.row).kill(started.row.id, signal.SIGKILL, Cancel(_KILL_SECONDS))
    except RuntimeFailed:
        if alive(started.row.pid, started.row.pid_start):
            raise
    conclude(context, started, Cancel(_KILL_SECONDS))
