"""Reading a container's log: CRI format, one record a line (``<RFC 3339 nano> stdout|stderr P|F <text>``, Kubernetes
CRI "container log format"); P marks a piece whose line goes on in the next record of its stream."""

from __future__ import annotations

import os
from typing import Callable, Iterator

from ..cancel import Cancel
from ..record import Record

_CHUNK = 1 << 18
_HEADER = 64
_STREAMS = {b"stdout": 1, b"stderr": 2}


class LogEntry(Record):
    """One record.

    :param time: as written, RFC 3339 with nanoseconds.
    :param stream: 1 for stdout (and a terminal), 2 for stderr.
    :param data: its bytes, with a newline where the record ends a line.
    """

    time: str
    stream: int
    data: bytes


def parse(line: bytes) -> LogEntry | None:
    """One record from one line without its newline; None where the line is no record (cut by a crash)."""
    parts = line.split(b" ", 3)
    if len(parts) != 4 or parts[1] not in _STREAMS or parts[2] not in (b"P", b"F"):
        return None
    return LogEntry(parts[0].decode("ascii", "replace"), _STREAMS[parts[1]],
                    parts[3] + (b"\n" if parts[2] == b"F" else b""))


def tail_offset(fd: int, lines: int) -> int:
    """Where the last ``lines`` output lines begin in a log: a line is an F record with the P records before it.

    What follows the last newline of the file is a record cut by a crash: it counts for nothing.
    """
    end = os.fstat(fd).st_size
    if lines <= 0:
        return end
    ended = 0
    starts = _line_starts_backwards(fd, end)
    line_end = next(starts, 0)
    for start in starts:
        head = parse(os.pread(fd, _HEADER, start).partition(b"\n")[0])
        if head is not None and head.data.endswith(b"\n"):
            ended += 1
            if ended > lines:
                return line_end
        line_end = start
    return 0


def _line_starts_backwards(fd: int, end: int) -> Iterator[int]:
    position = end
    while position > 0:
        size = min(_CHUNK, position)
        data = os.pread(fd, size, position - size)
        found = data.rfind(b"\n")
        while found >= 0:
            yield position - size + found + 1
            found = data.rfind(b"\n", 0, found)
        position -= size
    yield 0


def read(path: str, *, cancel: Cancel, tail: int | None = None, follow: Callable[[], int] | None = None) -> Iterator[LogEntry]:
    """The records of a log, oldest first; a log that does not exist holds none.

    :param cancel: looked at between records and while waiting for more.
    :param tail: only the last so many lines.
    :param follow: where given, go on with what is written later. It returns a descriptor that becomes readable once
        nothing more will be written, or -1 where that is so already.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if tail is not None:
            os.lseek(fd, tail_offset(fd, tail), os.SEEK_SET)
        rest = b""
        for data in _pieces(fd, path, cancel, follow):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                entry = parse(line)
                if entry is not None:
                    yield entry
    finally:
        os.close(fd)


def _pieces(fd: int, path: str, cancel: Cancel, follow: Callable[[], int] | None) -> Iterator[bytes]:
    def rest() -> Iterator[bytes]:
        while True:
            cancel.check()
            data = os.read(fd, _CHUNK)
            if not data:
                return
            yield data

    if follow is None:
        yield from rest()
        return
    from ..inotify import Watch

    watch = Watch(path)
    ended = -1
    try:
        ended = follow()
        while True:
            over = ended < 0 or ended in cancel.wait_readable(ended, timeout=0)
            watch.clear()
            yield from rest()
            if over:
                return
            cancel.wait_readable(watch.fileno(), ended)
    finally:
        watch.close()
        if ended >= 0:
            os.close(ended)
