"""Finding places in a log: where the last lines begin, and where a time does. Nothing but what is needed is read."""

from __future__ import annotations

import os
from typing import Callable, Iterator, Sequence

from ..cancel import Cancel
from ..record import Record
from .logs_files import Segment

CHUNK = 1 << 18
_LONGEST_HEADER = 64
"""More than ``2006-01-02T15:04:05.123456789+00:00 stdout F `` has."""

_APART = 1 << 24
"""How far back a line is pieced together across the other stream's output, in bytes of log."""

_KINDS = {b"stdout P": (1, False), b"stdout F": (1, True), b"stderr P": (2, False), b"stderr F": (2, True)}

Place = tuple[int, int]
"""A place in a log: which of its files, and the byte in it."""


class Tail(Record):
    """Where the last lines begin, for each stream: a record of it that lies before is none of them.

    :param begin: the earlier of the two.
    :param until: from here on every record is one of them.
    :param skip: the stream whose records in between are not; 0: none.
    """

    begin: Place
    until: Place
    skip: int


def kind(line: bytes) -> tuple[int, bool] | None:
    """(stream, does its line end here) of a record, or of the beginning of one; None where it is none."""
    parts = line[:_LONGEST_HEADER].split(b" ", 3)
    return _KINDS.get(parts[1] + b" " + parts[2]) if len(parts) == 4 else None


def last_lines(segments: Sequence[Segment], number: int, streams: Sequence[int], end: Place, cancel: Cancel) -> Tail:
    """Where the last ``number`` lines begin. What a stream wrote without a newline counts as a line of its own, and lines are in
    the order in which they were ended.

    :param streams: only lines of these count.
    :param end: nothing from here on does.
    """
    begins: dict[int, Place] = {}
    going: set[int] = set()
    left = number
    for place, line in _backwards(segments, end, cancel) if number > 0 else ():
        found = kind(line)
        if found is None or found[0] not in streams:
            continue
        stream, ends = found
        if ends or stream not in begins:
            going.discard(stream)  # the line that was met last is whole: before it another one ends
            if left:
                left -= 1
                going.add(stream)
                begins[stream] = place
        elif stream in going:
            begins[stream] = place
        if not left:
            going = {one for one in going if _distance(segments, place, begins[one]) < _APART}
            if not going:
                break
    places = {stream: begins.get(stream, end) for stream in streams}
    low, high = min(places.values()), max(places.values())
    return Tail(low, high, max(places, key=places.__getitem__) if low != high else 0)


def _distance(segments: Sequence[Segment], one: Place, other: Place) -> int:
    return segments[other[0]].start + other[1] - segments[one[0]].start - one[1]


def _backwards(segments: Sequence[Segment], end: Place, cancel: Cancel) -> Iterator[tuple[Place, bytes]]:
    """Every record before ``end`` with its place, the last first. What follows the last newline of a file was cut by a kill."""
    for index in range(min(end[0], len(segments) - 1), -1, -1):
        segment = segments[index]
        position = end[1] if index == end[0] else segment.size
        rest = b""
        whole = False
        while position > 0:
            cancel.check()
            size = min(CHUNK, position)
            position -= size
            lines = (os.pread(segment.fd, size, position) + rest).split(b"\n")
            at = position + sum(map(len, lines)) + len(lines) - 1
            rest = lines[0]
            for line in reversed(lines[1:]):
                at -= len(line)
                if whole:
                    yield (index, at), line
                whole = True
                at -= 1
        if whole and rest:
            yield (index, 0), rest


def first_after(segments: Sequence[Segment], stamp: bytes, *, or_at: bool, cancel: Cancel) -> Place:
    """Where the first record lies that is later than a time. A log is in the order of time.

    :param stamp: as in a record.
    :param or_at: one of just that time is enough.
    :returns: behind the last record where there is none.
    """
    def late(line: bytes) -> bool | None:
        if kind(line) is None:
            return None
        time = line[:len(stamp)]
        return time >= stamp if or_at else time > stamp

    for index, segment in enumerate(segments):
        later = segments[index + 1] if index + 1 < len(segments) else None
        if later is not None and _first(later.fd, late) is False:
            continue
        place = _bisect(segment.fd, segment.size, late, cancel)
        if later is None or place < segment.size:
            return index, place
    return max(0, len(segments) - 1), segments[-1].size if segments else 0


def _first(fd: int, late: Callable[[bytes], bool | None]) -> bool | None:
    """Whether the first record of a file is late; None where there is none."""
    return next((found for _, line in _forwards(fd, 0) if (found := late(line)) is not None), None)


def _bisect(fd: int, size: int, late: Callable[[bytes], bool | None], cancel: Cancel) -> int:
    low, high = 0, size
    while high - low > CHUNK:
        cancel.check()
        middle = (low + high) // 2
        after = False
        for at, line in _forwards(fd, middle, partial=True):
            found = late(line)
            if found is not None or at >= high:
                after = found is not False or at >= high
                break
        else:
            after = True
        if after:
            high = middle
        else:
            low = middle
    for at, line in _forwards(fd, low, partial=low > 0):
        if late(line):
            return at
    return size


def _forwards(fd: int, position: int, *, partial: bool = False) -> Iterator[tuple[int, bytes]]:
    """Every whole line from a byte on, with where it begins.

    :param partial: the byte may lie in the middle of a line, which is then passed over.
    """
    if partial:
        position -= 1  # a line that begins just here is not passed over
    rest = b""
    skip = partial
    while True:
        data = os.pread(fd, 1 << 14, position + len(rest))
        if not data:
            return
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if not skip:
                yield position, line
            skip = False
            position += len(line) + 1


def cut(block: bytes, stamp: bytes, *, or_at: bool) -> int:
    """Where in a block of whole records the first one lies that is later than a time, as :func:`first_after`; its length where
    there is none."""
    last = block[block.rfind(b"\n", 0, -1) + 1:][:len(stamp)]
    if last < stamp or (last == stamp and not or_at):
        return len(block)
    position = 0
    while position < len(block):
        line = block[position:position + _LONGEST_HEADER]
        time = line[:len(stamp)]
        if (time > stamp or (or_at and time == stamp)) and kind(line) is not None:
            return position
        position = block.index(b"\n", position) + 1
    return position
