"""Tar archives byte by byte: what tarfile refuses to write is what these tests are about.

Sources: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format" and
"Storing Sparse Files".
"""

from __future__ import annotations

from typing import Mapping

EPOCH = 1_600_000_000
BLOCK = 512
END = bytes(2 * BLOCK)
POSIX = b"ustar\x0000"
GNU = b"ustar  \x00"
OLD = bytes(8)


def octal(value: int | bytes, width: int) -> bytes:
    """A number as tar has it; bytes are taken as they are, padded with NUL."""
    if isinstance(value, bytes):
        return value.ljust(width, b"\0")[:width]
    return b"%0*o\0" % (width - 1, value)


def binary(value: int, width: int) -> bytes:
    """A number in GNU's base-256 form."""
    raw = (value & ((1 << (8 * width)) - 1)).to_bytes(width, "big")
    return bytes([raw[0] | 0x80]) + raw[1:]


def header(name: bytes, kind: bytes = b"0", *, size: int | bytes = 0, link: bytes = b"", mode: int | bytes = 0o644,
           uid: int | bytes = 0, gid: int | bytes = 0, mtime: int | bytes = EPOCH, major: int | bytes = 0,
           minor: int | bytes = 0, magic: bytes = POSIX, prefix: bytes = b"", patch: Mapping[int, bytes] | None = None,
           checksum: bytes | None = None) -> bytes:
    """One 512-byte header.

    :param patch: bytes that are put at an offset before the checksum is taken.
    :param checksum: in place of the true one.
    """
    block = bytearray(b"".join((
        name.ljust(100, b"\0")[:100], octal(mode, 8), octal(uid, 8), octal(gid, 8), octal(size, 12), octal(mtime, 12),
        b" " * 8, kind, link.ljust(100, b"\0")[:100], magic, bytes(64), octal(major, 8), octal(minor, 8),
        prefix.ljust(155, b"\0")[:155], bytes(12))))
    for offset, data in (patch or {}).items():
        block[offset:offset + len(data)] = data
    block[148:156] = (b"%06o\0 " % sum(block) if checksum is None else checksum.ljust(8, b"\0"))
    return bytes(block)


def padded(data: bytes) -> bytes:
    """Data filled up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def file(name: bytes, data: bytes = b"", **fields: object) -> bytes:
    """A regular file; ``fields`` are those of :func:`header`."""
    return header(name, **{"size": len(data), **fields}) + padded(data)  # type: ignore[arg-type]


def folder(name: bytes, **fields: object) -> bytes:
    """A folder."""
    return header(name, b"5", **{"mode": 0o755, **fields})  # type: ignore[arg-type]


def symlink(name: bytes, target: bytes, **fields: object) -> bytes:
    """A symbolic link."""
    return header(name, b"2", link=target, **{"mode": 0o777, **fields})  # type: ignore[arg-type]


def link(name: bytes, target: bytes, **fields: object) -> bytes:
    """A hard link."""
    return header(name, b"1", link=target, **fields)  # type: ignore[arg-type]


def node(name: bytes, kind: bytes, major: int | bytes = 0, minor: int | bytes = 0, **fields: object) -> bytes:
    """A device (``3`` or ``4``) or FIFO (``6``)."""
    return header(name, kind, major=major, minor=minor, **fields)  # type: ignore[arg-type]


def whiteout(name: bytes) -> bytes:
    """The deletion of ``name``."""
    where, slash, base = name.rpartition(b"/")
    return file(where + slash + b".wh." + base, mode=0)


def opaque(where: bytes) -> bytes:
    """The deletion of everything below in a folder."""
    return file(where + b"/.wh..wh..opq", mode=0)


def record(key: bytes, value: bytes) -> bytes:
    """One record of a PAX header; its length counts itself."""
    rest = b" %b=%b\n" % (key, value)
    size = len(rest)
    while len(b"%d" % size) + len(rest) != size:
        size = len(b"%d" % size) + len(rest)
    return b"%d%b" % (size, rest)


def pax(records: Mapping[bytes, bytes] | list[tuple[bytes, bytes]], kind: bytes = b"x") -> bytes:
    """A PAX header for the entry that follows; ``kind`` ``g`` is for all."""
    pairs = records if isinstance(records, list) else list(records.items())
    return pax_raw(b"".join(record(key, value) for key, value in pairs), kind)


def pax_raw(data: bytes, kind: bytes = b"x", **fields: object) -> bytes:
    """A PAX header of any bytes."""
    return header(b"PaxHeaders/x", kind, **{"size": len(data), **fields}) + padded(data)  # type: ignore[arg-type]


def gnu_name(name: bytes) -> bytes:
    """GNU's long name for the entry that follows."""
    return header(b"././@LongLink", b"L", size=len(name) + 1, magic=GNU) + padded(name + b"\0")


def gnu_link(name: bytes) -> bytes:
    """GNU's long link target for the entry that follows."""
    return header(b"././@LongLink", b"K", size=len(name) + 1, magic=GNU) + padded(name + b"\0")


def gnu_sparse(name: bytes, segments: list[tuple[int | bytes, int | bytes]], size: int | bytes, data: bytes, *,
               stored: int | None = None) -> bytes:
    """GNU's old sparse form: four segments in the header, 21 in each block that follows."""
    pairs = [octal(offset, 12) + octal(length, 12) for offset, length in segments]
    more = [pairs[at:at + 21] for at in range(4, len(pairs), 21)]
    patch = {386: b"".join(pairs[:4]).ljust(96, b"\0"), 482: b"\1" if more else b"\0", 483: octal(size, 12)}
    extra = b"".join(b"".join(part).ljust(504, b"\0") + (b"\1" if number + 1 < len(more) else b"\0") + bytes(7)
                     for number, part in enumerate(more))
    top = header(name, b"S", size=len(data) if stored is None else stored, magic=GNU, patch=patch)
    return top + extra + padded(data)


def pax_sparse_00(name: bytes, segments: list[tuple[int, int]], size: int, data: bytes) -> bytes:
    """PAX sparse 0.0: offset and numbytes are repeated."""
    records = [(b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(segments))]
    for offset, length in segments:
        records += [(b"GNU.sparse.offset", b"%d" % offset), (b"GNU.sparse.numbytes", b"%d" % length)]
    return pax(records) + file(name, data)


def pax_sparse_01(name: bytes, segments: list[tuple[int, int]], size: int, data: bytes) -> bytes:
    """PAX sparse 0.1: the map is one record."""
    text = b",".join(b"%d,%d" % pair for pair in segments)
    records = [(b"GNU.sparse.size", b"%d" % size), (b"GNU.sparse.numblocks", b"%d" % len(segments)),
               (b"GNU.sparse.name", name), (b"GNU.sparse.map", text)]
    return pax(records) + file(b"GNUSparseFile.0/" + name, data)


def pax_sparse_10(name: bytes, segments: list[tuple[int, int]], size: int, data: bytes, *, table: bytes = b"") -> bytes:
    """PAX sparse 1.0: the map stands in front of the data."""
    text = table or b"%d\n" % len(segments) + b"".join(b"%d\n%d\n" % pair for pair in segments)
    records = [(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"), (b"GNU.sparse.name", name),
               (b"GNU.sparse.realsize", b"%d" % size)]
    return pax(records) + file(b"GNUSparseFile.0/" + name, padded(text) + data)


def tar(*parts: bytes, end: bytes = END) -> bytes:
    """An archive."""
    return b"".join(parts) + end
