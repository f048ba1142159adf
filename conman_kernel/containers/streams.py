"""A caller's descriptors, and how it went: what every joined session is asked with and answers with."""

from __future__ import annotations

import os

from ..record import Record


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


def terminal_size(streams: Streams) -> tuple[int, int]:
    """Rows and columns of the caller's terminal; zeros where it has none."""
    for fd in (streams.stdin, streams.stdout):
        if fd >= 0 and os.isatty(fd):
            columns, lines = os.get_terminal_size(fd)
            return lines, columns
    return 0, 0
