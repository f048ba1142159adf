"""A streaming tar reader: ustar, PAX, GNU long names, GNU sparse, base-256 numbers. Bounded; trusts nothing.

What it accepts and how it reads doubtful archives follows Go's ``archive/tar``, because that is what other container
engines read layers with: global PAX headers are ignored, data of header-only types is not there whatever their size
field says, one zero block at the very end is enough, or none, a GNU long name counts for more than a PAX one, and an
extended header that nothing follows means nothing.
"""

from __future__ import annotations

from typing import Iterator, Mapping

from .failure import Refused, show
from .header import BLOCK, FIELDS, MAX_SECONDS, Numbers, checksum_agrees, parse_decimal, parse_records, parse_time
from .source import Source
from .sparse import Segment, check, from_blocks, from_data, from_records

REGULAR, LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, FOLDER, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_KINDS = frozenset((REGULAR, LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, FOLDER, FIFO))
_XATTR = b"SCHILY.xattr."
_ZEROS = bytes(BLOCK)
_MAX_ID = (1 << 32) - 2


class Entry:
    """One entry. The reader reuses the object: what is wanted after the next step must be copied.

    ``name`` and ``link`` are raw; ``stored`` is the bytes of data in the archive, ``size`` what the file reads as (they
    differ where ``segments``, its data segments, is set); ``mtime`` is nanoseconds; ``xattrs`` are by raw name.
    """

    __slots__ = ("gid", "kind", "link", "major", "minor", "mode", "mtime", "name", "segments", "size", "stored", "uid",
                 "xattrs")

    name: bytes
    link: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    size: int
    stored: int
    mtime: int
    major: int
    minor: int
    xattrs: Mapping[bytes, bytes]
    segments: list[Segment] | None


class Archive:
    """Entries of a tar stream, one by one.

    :param source: the uncompressed stream.
    :param max_header: bytes of one extended header.
    :param max_entries: entries after which it is refused.
    :param max_size: bytes that all files together may read as (sparse ones read as more than the stream holds).
    """

    def __init__(self, source: Source, max_header: int, max_entries: int, max_size: int) -> None:
        self._source = source
        self._chunk = b""
        self._view = memoryview(b"")
        self._at = 0
        self._left = 0
        self._padding = 0
        self._numbers = Numbers()
        self._entry = Entry()
        self._max_header = max_header
        self._max_entries = max_entries
        self._max_size = self._room = max_size
        self.count = 0

    def next(self) -> Entry | None:
        """The next entry, or None at the end. Data of the one before that was not taken is skipped.

        :raises Refused: the archive is broken, hostile or over a limit.
        """
        records: list[tuple[bytes, bytes]] = []
        long_name = long_link = b""
        while True:
            block = self._block() if self._pass_by() else None
            if block is None:
                return None
            kind = block[156:157]
            if kind == b"x":
                records = parse_records(self._special(block))
            elif kind == b"L":
                long_name = self._special(block).split(b"\0", 1)[0]
            elif kind == b"K":
                long_link = self._special(block).split(b"\0", 1)[0]
            elif kind == b"g":
                self._special(block)
            else:
                return self._fill(block, records, long_name, long_link)

    def pieces(self) -> Iterator[memoryview]:
        """The data of the current entry as it is stored, in pieces; may be taken once."""
        while self._left:
            if self._at == len(self._chunk):
                self._refill()
            piece = self._view[self._at:self._at + self._left]
            self._at += len(piece)
            self._left -= len(piece)
            yield piece

    def whole(self) -> memoryview | None:
        """The data of the current entry where it lies in one piece, else None (then use :meth:`pieces`)."""
        end = self._at + self._left
        if end > len(self._chunk):
            return None
        piece = self._view[self._at:end]
        self._at, self._left = end, 0
        return piece

    def _refill(self) -> None:
        self._chunk = self._source.next()
        self._view = memoryview(self._chunk)
        self._at = 0
        if not self._chunk:
            raise Refused("the layer's archive ends early")

    def _pass_by(self) -> bool:
        """Go behind the entry; False where the archive ends with its data, before or within the padding."""
        self._skip(self._left)
        left, self._left, self._padding = self._padding, 0, 0
        while left:
            if self._at_end():
                return False
            part = min(left, len(self._chunk) - self._at)
            self._at += part
            left -= part
        return True

    def _skip(self, count: int) -> None:
        while count:
            room = len(self._chunk) - self._at
            if room >= count:
                self._at += count
                return
            count -= room
            self._refill()

    def _take(self, count: int) -> bytes:
        data = self._chunk[self._at:self._at + count]
        self._at += len(data)
        while len(data) < count:
            self._refill()
            more = self._chunk[:count - len(data)]
            self._at = len(more)
            data += more
        return data

    def _at_end(self) -> bool:
        if self._at < len(self._chunk):
            return False
        chunk = self._source.next()
        self._chunk, self._view, self._at = chunk, memoryview(chunk), 0
        return not chunk

    def _block(self) -> bytes | None:
        at = self._at
        block = self._chunk[at:at + BLOCK]
        if len(block) == BLOCK:
            self._at = at + BLOCK
        elif not block and self._at_end():
            return None
        else:
            block = self._take(BLOCK)
        if block == _ZEROS:
            if not self._at_end() and self._take(BLOCK) != _ZEROS:
                raise Refused("the layer's archive has a zero block in its midst")
            return None
        if not checksum_agrees(block, self._numbers[block[148:156]]):
            raise Refused("a header of the layer's archive has a wrong checksum")
        return block

    def _special(self, block: bytes) -> bytes:
        size = self._numbers[block[124:136]]
        if not 0 <= size <= self._max_header:
            raise Refused(f"an extended header of the layer's archive is bigger than {self._max_header} bytes")
        data = self._take(size)
        self._skip(-size % BLOCK)
        return data

    def _fill(self, block: bytes, records: list[tuple[bytes, bytes]], long_name: bytes, long_link: bytes) -> Entry:
        self.count += 1
        if self.count > self._max_entries:
            raise Refused(f"the layer has more than {self._max_entries} entries")
        number, entry = self._numbers, self._entry
        name, mode, uid, gid, size, mtime, _, kind, link, magic, major, minor, prefix = FIELDS(block)
        name = name.split(b"\0", 1)[0]
        if magic[:6] == b"ustar\0" and prefix[0]:
            name = prefix.split(b"\0", 1)[0] + b"/" + name
        entry.name = name
        entry.link = link.split(b"\0", 1)[0]
        entry.mode, entry.uid, entry.gid = number[mode] & 0o7777, number[uid], number[gid]
        entry.size = number[size]
        seconds = number[mtime]
        entry.mtime = max(-MAX_SECONDS, min(MAX_SECONDS, seconds)) * 1_000_000_000
        entry.major = entry.minor = 0
        entry.xattrs, entry.segments = {}, None
        if records:
            self._apply(entry, records)
        entry.name, entry.link = long_name or entry.name, long_link or entry.link
        if kind in (b"\0", b"7"):
            kind = FOLDER if kind == b"\0" and entry.name.endswith(b"/") else REGULAR
        if kind in (CHARACTER, BLOCK_DEVICE):
            entry.major, entry.minor = number[major], number[minor]
        if not 0 <= entry.uid <= _MAX_ID or not 0 <= entry.gid <= _MAX_ID or entry.size < 0:
            raise Refused(f"{show(entry.name)} has an owner, group or size out of range")
        self._measure(entry, kind, block, records)
        return entry

    def _apply(self, entry: Entry, records: list[tuple[bytes, bytes]]) -> None:
        xattrs: dict[bytes, bytes] = {}
        for key, value in records:
            if key.startswith(_XATTR):
                xattrs[key[len(_XATTR):]] = value
            elif not value:
                continue
            elif key == b"path":
                entry.name = value
            elif key == b"linkpath":
                entry.link = value
            elif key == b"mtime":
                entry.mtime = parse_time(value)
            elif key == b"size":
                entry.size = parse_decimal(value)
            elif key == b"uid":
                entry.uid = parse_decimal(value)
            elif key == b"gid":
                entry.gid = parse_decimal(value)
        entry.xattrs = xattrs

    def _measure(self, entry: Entry, kind: bytes, block: bytes, records: list[tuple[bytes, bytes]]) -> None:
        """Settle the kind and how much data follows; reads the map where the file is sparse."""
        sparse = kind == b"S"
        entry.kind = REGULAR if sparse else kind
        if entry.kind not in _KINDS:
            raise Refused(f"{show(entry.name)} has an unknown type {show(kind)}")
        entry.stored = entry.size = entry.size if entry.kind == REGULAR else 0
        self._left, self._padding = entry.stored, -entry.stored % BLOCK
        if sparse:
            entry.segments, entry.size = from_blocks(block, self._take)
        elif entry.kind == REGULAR and any(key.startswith(b"GNU.sparse.") for key, _ in records):
            found = from_records(records)
            if found.by_data:
                before = self._left
                entry.segments, taken = from_data(self._take, before, self._max_header)
                self._left = entry.stored = before - taken
            else:
                entry.segments = found.segments
            entry.size = found.size
            entry.name = found.name or entry.name
        if entry.segments is not None:
            check(entry.segments, entry.stored, entry.size, show(entry.name))
        self._room -= entry.size
        if self._room < 0:
            raise Refused(f"the layer's files are bigger than {self._max_size} bytes")
