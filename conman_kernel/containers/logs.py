"""Reading a container's log: CRI format, one record a line (``<RFC 3339 nano> stdout|stderr P|F <text>``, Kubernetes
CRI "container log format"); P marks a piece whose line goes on in the next record of its stream. Rotated files are read as one
log (``shim/PROTOCOL.md``, "Log")."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Callable, Collection, Iterator

from ..cancel import Cancel
from ..errors import InvalidInput
from ..record import Record
from . import logs_bulk
from .logs_source import Source

if TYPE_CHECKING:
    from ..support.inotify import Watch

BOTH = (1, 2)
"""stdout and stderr."""


class LogEntry(Record):
    """One record, or (from :meth:`LogReader.runs`) several of one moment, or a gap.

    :param time: as written, RFC 3339 UTC with nanoseconds; empty for a gap.
    :param stream: 1 for stdout (and a terminal), 2 for stderr; 0 for a gap.
    :param data: its bytes, with a newline where the record ends a line.
    :param missed: so many bytes of log (the records' headers among them) were rotated away before they could be read, just here.
        Such an entry has no data.
    """

    time: str
    stream: int
    data: bytes
    missed: int = 0


def parse(line: bytes) -> LogEntry | None:
    """One record from one line without its newline; None where the line is no record (cut by a crash)."""
    found = logs_bulk.record(line)
    return None if found is None else LogEntry(found[0].decode("ascii", "replace"), found[1], found[2])


def stamp(when: float | str) -> str:
    """A time as records have it.

    :param when: seconds since the epoch; or such a time already, of any number of digits, as :attr:`LogEntry.time`.
    :raises InvalidInput: it is no such time.
    """
    if isinstance(when, str):
        whole, _, digits = when.rstrip("Z").partition(".")
        if len(whole) != 19 or whole[10] != "T" or not (whole[:4] + whole[17:] + (digits or "0")).isdigit():
            raise InvalidInput(f'"{when}" is no time of a log', hint="2006-01-02T15:04:05.123456789Z, in UTC")
        return f"{whole}.{digits[:9]:0<9}Z"
    nanoseconds = round(when * 1_000_000) * 1000
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class LogReader:
    """A log that is being read, without ever blocking: for loops that wait for several things. Close it; a context manager.

    Take what is there (:meth:`entries`, :meth:`runs` or :meth:`chunks`, to the end); if not :attr:`over`, wait until one of
    :meth:`descriptors` is readable or :meth:`timeout` has passed, and again. It opens nothing before the first take.

    :param path: of the current file. A log that does not exist holds nothing.
    :param cancel: looked at between blocks.
    :param tail: only the last so many lines, of the chosen streams and up to ``until``. What has no newline yet is a line, too.
    :param since: nothing before this time, see :func:`stamp`; empty: all.
    :param until: nothing after it; following stops when its time has come.
    :param streams: 1, 2 or both.
    :param follow: where given, go on with what is written later. It returns a descriptor that becomes readable once
        nothing more will be written, or -1 where that is so already. It is called once.
    :param onward: called when that has become readable: another such descriptor where more will be written after all (the
        container is started again), or -1.
    """

    def __init__(self, path: str, *, cancel: Cancel, tail: int | None = None, since: str = "", until: str = "",
                 streams: Collection[int] = BOTH, follow: Callable[[], int] | None = None,
                 onward: Callable[[], int] = lambda: -1) -> None:
        self._cancel = cancel
        self._streams = frozenset(streams)
        self._until = until
        self._follow = follow
        self._onward = onward
        self._watch: Watch | None = None
        self._source: Source | None = None
        self._ended = -1
        self._open: Callable[[], Source] = lambda: Source(
            path, follow=follow is not None, tail=tail, streams=sorted(self._streams), since=since, until=until, cancel=cancel)
        self._folder = os.path.dirname(path) or "."
        self.over = False
        """Nothing comes any more, once what is there was taken."""

    def _opened(self) -> Source:
        if self._source is None:
            if self._follow is not None:
                self._ended = self._follow()
            if self._ended >= 0:
                from ..support.inotify import IN_FOLDER, Watch

                self._watch = Watch(self._folder, IN_FOLDER)
            self._source = self._open()
        return self._source

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def descriptors(self) -> tuple[int, ...]:
        """One of them becomes readable when there is more to take, or when it is over. They belong to the reader."""
        return () if self._watch is None else (self._watch.fileno(), self._ended)

    def timeout(self) -> float | None:
        """Seconds after which it is over all the same; None: it is not by time."""
        if not self._until or self.over:
            return None
        from ..times import parse_time

        return max(0.0, parse_time(self._until) - time.time() + 0.001)

    def wait(self) -> None:
        """Wait until there is more to take.

        :raises Cancelled: as the token says (DeadlineExceeded, too).
        """
        if not self.over:
            self._cancel.wait_readable(*self.descriptors(), timeout=self.timeout())

    def entries(self) -> Iterator[LogEntry]:
        """What there is by now, record by record.

        :raises Unavailable: the host allows no (more) watches; also the other two.
        """
        for block in self._blocks():
            if isinstance(block, int):
                yield LogEntry("", 0, b"", block)
                continue
            for when, stream, text in logs_bulk.records(block):
                if stream in self._streams:
                    yield LogEntry(when.decode("ascii", "replace"), stream, text)

    def runs(self) -> Iterator[LogEntry]:
        """What there is by now, in entries that hold all lines that were written in one moment."""
        for block in self._blocks():
            if isinstance(block, int):
                yield LogEntry("", 0, b"", block)
                continue
            for when, stream, text in logs_bulk.runs(block):
                if stream in self._streams:
                    yield LogEntry(when.decode("ascii", "replace"), stream, text)

    def chunks(self) -> Iterator[LogEntry]:
        """What there is by now, in as few pieces as there are changes of stream, without times: several times faster."""
        for block in self._blocks():
            if isinstance(block, int):
                yield LogEntry("", 0, b"", block)
                continue
            for stream, text in logs_bulk.chunks(block):
                if stream in self._streams:
                    yield LogEntry("", stream, text)

    def _blocks(self) -> Iterator[bytes | int]:
        if self.over:
            return
        source = self._opened()
        # Asked before the log is read: what was written before that is then read.
        last = self._ended < 0 or self.timeout() == 0.0 or self._has_ended()
        if self._watch is not None:
            self._watch.clear()
        while True:
            self._cancel.check()
            block = source.next()
            if block is None:
                break
            yield block
        self.over = last or source.over

    def _has_ended(self) -> bool:
        if self._ended not in self._cancel.wait_readable(self._ended, timeout=0):
            return False
        ended, self._ended = self._ended, self._onward()
        os.close(ended)
        return self._ended < 0

    def close(self) -> None:
        """Give the descriptors back. May be called twice."""
        if self._source is not None:
            self._source.close()
        if self._watch is not None:
            self._watch.close()
        ended, self._ended = self._ended, -1
        if ended >= 0:
            os.close(ended)


def read(path: str, *, cancel: Cancel, tail: int | None = None, since: str = "", until: str = "",
         streams: Collection[int] = BOTH, follow: Callable[[], int] | None = None) -> Iterator[LogEntry]:
    """The records of a log, oldest first, as :class:`LogReader`; waits where there is nothing yet."""
    yield from entries(LogReader(path, cancel=cancel, tail=tail, since=since, until=until, streams=streams, follow=follow))


def entries(reader: LogReader) -> Iterator[LogEntry]:
    """All records of a reader, waiting where there is nothing yet. The reader is closed at the end, and opened only at the
    first record."""
    with reader:
        while True:
            yield from reader.entries()
            if reader.over:
                return
            reader.wait()
