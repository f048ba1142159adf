"""Taking blocks of records apart fast: no object a line, and where a program writes much, none a thousand lines.

Both ways rest on the header's fixed width; records with headers of another are taken one at a time. All lines of one piece of
output have the same header, since its shim read them at once: in such a run the headers go by one replace().
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Iterator

Run = tuple[bytes, int, bytes]
"""(time, stream, text): lines of one stream and one time, each with its newline, or a piece of a line without."""

_WIDTH = 40
"""Of ``2006-01-02T15:04:05.123456789Z stdout F ``."""

_TIME = 30
_KINDS = {b" stdout F ": (1, True), b" stdout P ": (1, False), b" stderr F ": (2, True), b" stderr P ": (2, False)}
_KIND = itemgetter(slice(_TIME, _WIDTH))
_TEXT = itemgetter(slice(_WIDTH, None))
_STREAMS = {b"stdout": 1, b"stderr": 2}


def record(line: bytes) -> Run | None:
    """One record from one line without its newline; None where the line is no record (cut by a kill)."""
    parts = line.split(b" ", 3)
    if len(parts) != 4 or parts[1] not in _STREAMS or parts[2] not in (b"P", b"F"):
        return None
    return parts[0], _STREAMS[parts[1]], parts[3] + b"\n" if parts[2] == b"F" else parts[3]


def records(block: bytes) -> Iterator[Run]:
    """A block of whole records, one at a time."""
    lines = block.split(b"\n")
    lines.pop()
    for line in lines:
        found = _KINDS.get(line[_TIME:_WIDTH])
        if found is not None:
            yield line[:_TIME], found[0], line[_WIDTH:] + b"\n" if found[1] else line[_WIDTH:]
        elif (other := record(line)) is not None:
            yield other


def runs(block: bytes) -> Iterator[Run]:
    """A block of whole records, in order, as few runs.

    :param block: ends with a newline.
    """
    position = 0
    size = len(block)
    while position < size:
        end = block.index(b"\n", position) + 1
        head = block[position:position + _WIDTH]
        found = _KINDS.get(head[_TIME:])
        if found is None:
            other = record(block[position:end - 1])
            if other is not None:
                yield other
        elif not found[1]:
            yield head[:_TIME], found[0], block[position + _WIDTH:end - 1]
        else:
            text = b""
            if block.startswith(head, end):
                end, text = _run(block, position, end, head)
            yield head[:_TIME], found[0], text or block[position + _WIDTH:end]
        position = end


def _run(block: bytes, position: int, end: int, head: bytes) -> tuple[int, bytes]:
    """Lines that all have this header.

    :returns: where they end, and their text.
    """
    low, step, size = end, 1 << 12, len(block)
    while step > 64:
        candidate = block.rfind(b"\n", low, min(low + step, size - 1)) + 1
        if candidate and block.startswith(head, candidate):
            low = candidate
            step *= 2
        else:
            step = min(step // 2, size - low)
    while block.startswith(head, low):
        low = block.index(b"\n", low) + 1
    text = block[position + _WIDTH:low].replace(b"\n" + head, b"\n")
    if low - position - len(text) != text.count(b"\n") * _WIDTH:
        return end, b""  # another record of the same nanosecond is among them
    return low, text


def chunks(block: bytes) -> Iterator[tuple[int, bytes]]:
    """A block of whole records as ``(stream, bytes)``, in order, as few as there are changes of stream.

    :param block: ends with a newline.
    """
    stream = 0
    texts: list[bytes] = []
    for of, text in _texts(block):
        if of != stream and texts:
            yield stream, b"".join(texts)
            texts.clear()
        stream = of
        texts.append(text)
    if texts:
        yield stream, b"".join(texts)


def _texts(block: bytes) -> Iterator[tuple[int, bytes]]:
    lines = block.split(b"\n")
    lines.pop()
    for kind, group in groupby(lines, _KIND):
        found = _KINDS.get(kind)
        if found is None:
            for run in map(record, group):
                if run is not None:
                    yield run[1], run[2]
        elif found[1]:
            yield found[0], b"\n".join(map(_TEXT, group)) + b"\n"
        else:
            yield found[0], b"".join(map(_TEXT, group))
