"""Sparse files in tar: the old GNU form and PAX 0.0, 0.1 and 1.0. Each gives the list of data segments.

Source: GNU tar manual, "Storing Sparse Files" (appendix "Sparse Formats").
"""

from __future__ import annotations

from typing import Callable

from ..record import Record
from .failure import Refused
from .header import BLOCK, parse_decimal, parse_number

_MAX_SEGMENTS = 1_000_000


class Segment(Record):
    """A segment of data: where it lies in the file, and its bytes. What no segment covers is a hole."""

    offset: int
    length: int


class Found(Record):
    """What PAX records say of a sparse file; ``by_data``: the map is in front of the data (1.0)."""

    name: bytes
    size: int
    segments: list[Segment]
    by_data: bool


def from_blocks(block: bytes, take: Callable[[int], bytes]) -> tuple[list[Segment], int]:
    """The old GNU form: a map in the header, continued in blocks behind it. Returns segments and the file's size."""
    size = parse_number(block[483:495])
    segments = _segments(block, 386, 4)
    more = block[482]
    while more:
        block = take(BLOCK)
        segments += _segments(block, 0, 21)
        more = block[504]
        if len(segments) > _MAX_SEGMENTS:
            raise Refused("a sparse file of the layer has too many segments")
    return segments, size


def _segments(block: bytes, at: int, count: int) -> list[Segment]:
    found = []
    for start in range(at, at + count * 24, 24):
        if not block[start] or not block[start + 12]:
            break
        found.append(Segment(parse_number(block[start:start + 12]), parse_number(block[start + 12:start + 24])))
    return found


def from_records(records: list[tuple[bytes, bytes]]) -> Found:
    """PAX 0.0 (repeated offset and numbytes), 0.1 (a map in one record), or 1.0 (the map stands before the data)."""
    last = dict(records)
    size = last.get(b"GNU.sparse.realsize", last.get(b"GNU.sparse.size"))
    if size is None:
        raise Refused("a sparse file of the layer does not say its size")
    name = last.get(b"GNU.sparse.name", b"")
    if last.get(b"GNU.sparse.major") == b"1" and last.get(b"GNU.sparse.minor") == b"0":
        return Found(name, parse_decimal(size), [], True)
    if b"GNU.sparse.map" in last:
        numbers = [parse_decimal(n) for n in last[b"GNU.sparse.map"].split(b",")] if last[b"GNU.sparse.map"] else []
    else:
        numbers = [parse_decimal(v) for k, v in records if k in (b"GNU.sparse.offset", b"GNU.sparse.numbytes")]
    if len(numbers) % 2:
        raise Refused("a sparse file of the layer has half a segment")
    return Found(name, parse_decimal(size), _pairs(numbers), False)


def from_data(take: Callable[[int], bytes], available: int, limit: int) -> tuple[list[Segment], int]:
    """PAX 1.0: decimal lines, padded to whole blocks, in front of the data. Returns segments and the bytes taken."""
    text, wanted = b"", -1
    while wanted < 0 or text.count(b"\n") < wanted:
        if len(text) + BLOCK > min(available, limit) // BLOCK * BLOCK:
            raise Refused("the map of a sparse file of the layer is malformed or too long")
        text += take(BLOCK)
        if wanted < 0 and b"\n" in text:
            wanted = 1 + 2 * parse_decimal(text.split(b"\n", 1)[0])
    return _pairs([parse_decimal(line) for line in text.split(b"\n")[1:wanted]]), len(text)


def _pairs(numbers: list[int]) -> list[Segment]:
    return [Segment(*pair) for pair in zip(numbers[::2], numbers[1::2])]


def check(segments: list[Segment], stored: int, size: int, name: str) -> None:
    """Refuse segments that overlap, go backwards, leave the file, or do not add up to the data there is."""
    end = total = 0
    for offset, length in segments:
        if offset < end or length < 0:
            raise Refused(f"the segments of the sparse file {name} overlap")
        end = offset + length
        total += length
    if end > size or total != stored:
        raise Refused(f"the segments of the sparse file {name} do not add up")
