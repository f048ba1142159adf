"""One header of a tar (POSIX.1-2001 ``pax``, ustar, GNU): pure, bytes in, fields out."""

from __future__ import annotations

from typing import Mapping, NamedTuple

BLOCK = 512

FILES = b"0\x007"
HARD_LINK, SYMLINK, FOLDER, SPARSE = b"1", b"2", b"5", b"S"
LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL = b"L", b"K", b"x", b"g"
_WITHOUT_DATA = b"123456"

_MOST = (1 << 63) - 1


class Header(NamedTuple):
    """What a header says.

    :param kind: its type, one byte.
    :param size: bytes of data that follow it.
    """

    name: bytes
    kind: bytes
    size: int
    link: bytes


def parse(block: bytes) -> Header:
    """Take a header apart. :raises ValueError: its checksum or a number in it is wrong."""
    stated = _number(block[148:156])
    rest = block[:148] + block[156:]
    if stated not in (sum(rest) + 256, sum(byte - 256 if byte > 127 else byte for byte in rest) + 256):
        raise ValueError("its checksum is wrong")
    kind = block[156:157]
    size = _number(block[124:136])
    name = _text(block[:100])
    if block[257:263] == b"ustar\x00":
        prefix = _text(block[345:500])
        name = prefix + b"/" + name if prefix else name
    return Header(name, kind, 0 if kind in _WITHOUT_DATA else size, _text(block[157:257]))


def parse_pax(data: bytes) -> Mapping[str, bytes]:
    """The records of an extended header. :raises ValueError: they are malformed."""
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        if space < 0 or not data[at:space].isdigit():
            raise ValueError("an extended header is malformed")
        end = at + int(data[at:space])
        key, equals, value = data[space + 1:end - 1].partition(b"=")
        if not space < end <= len(data) or data[end - 1:end] != b"\n" or not equals:
            raise ValueError("an extended header is malformed")
        found[key.decode("utf-8", "replace")] = value
        at = end
    return found


def pax_size(records: Mapping[str, bytes]) -> int | None:
    """The size an extended header states; None where it does not. :raises ValueError: it is no number."""
    stated = records.get("size")
    if stated is None:
        return None
    if not stated.isdigit() or len(stated) > 19 or int(stated) > _MOST:
        raise ValueError("an extended header states an impossible size")
    return int(stated)


def make(name: str, size: int) -> bytes:
    """The header of a regular file, with an extended one before it where its name or size needs that."""
    encoded = name.encode()
    records = []
    if len(encoded) > 100:
        records.append(_record("path", name))
    if size >= 1 << 33:
        records.append(_record("size", str(size)))
    extended = b"".join(records)
    before = _block(b"PaxHeaders/" + encoded[-80:], PAX, len(extended)) + padded(extended) if records else b""
    return before + _block(encoded[:100], b"0", 0 if size >= 1 << 33 else size)


def padded(data: bytes) -> bytes:
    """The data, filled up with zeros to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def _block(name: bytes, kind: bytes, size: int) -> bytes:
    fields = (name.ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % size, b"%011o\0" % 0,
              b" " * 8, kind, bytes(100), b"ustar\x0000", bytes(64), b"0000000\0", b"0000000\0", bytes(167))
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body)
    while len(str(length)) + len(body) != length:
        length = len(str(length)) + len(body)
    return str(length).encode() + body


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU's base 256; 0xff begins a negative one
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40 or value > _MOST:
            raise ValueError("a number in it is negative or beyond 63 bits")
        return value
    digits = _text(field).strip(b" ")
    if digits.strip(b"01234567"):
        raise ValueError("a number in it is not octal")
    return int(digits, 8) if digits else 0
