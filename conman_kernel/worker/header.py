"""One 512-byte tar header and one PAX record list, parsed. No I/O.

Sources: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from struct import Struct
from zlib import adler32

from .failure import Refused, show

#: name, mode, uid, gid, size, mtime, chksum, typeflag, linkname, magic, major, minor, prefix
FIELDS = Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s12x").unpack_from
BLOCK = 512
MAX_SECONDS = 1 << 52
_ADLER = 65521


class Numbers(dict[bytes, int]):
    """Numeric header fields to their values, remembered: a layer repeats few modes, owners and times."""

    def __missing__(self, field: bytes) -> int:
        if len(self) > 4096:
            self.clear()
        value = self[field] = parse_number(field)
        return value


def parse_number(field: bytes) -> int:
    """An octal or (top bit set) base-256 field; empty is 0.

    :raises Refused: it is neither.
    """
    if field[0] & 0x80:
        value = int.from_bytes(field, "big")
        bits = 8 * len(field)
        if field[0] & 0x40:
            return value - (1 << bits)
        return value - (1 << (bits - 1))
    digits = field.strip(b" \0").split(b"\0", 1)[0]
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise Refused(f"a number in a tar header is not octal: {show(field)}")
    return int(digits, 8)


def checksum_agrees(block: bytes | memoryview, stored: int) -> bool:
    """True where the header's sum (its own field taken as spaces) is ``stored``, unsigned or, as old tars, signed."""
    shift = sum(block[148:156]) - 256
    # adler32's low half is 1 + the sum modulo 65521: it adds up in C, forty times as fast as sum() does
    if (adler32(block) & 0xFFFF) == (1 + stored + shift) % _ADLER:
        return True
    return sum(b - 256 if b > 127 else b for b in bytes(block[:148]) + b" " * 8 + bytes(block[156:])) == stored


def parse_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """The ``"length key=value\\n"`` records of a PAX header, in order (GNU sparse 0.0 repeats keys).

    :raises Refused: malformed, or a NUL where a name is expected.
    """
    records = []
    at, end = 0, len(data)
    while at < end:
        space = data.find(b" ", at, at + 12)
        digits = data[at:space]
        stop = at + int(digits) if space > 0 and digits.isdigit() else 0
        equals = data.find(b"=", space, stop)
        if not space < equals < stop <= end or data[stop - 1] != 10 or equals == space + 1:
            raise Refused("a PAX header of the layer is malformed")
        key, value = data[space + 1:equals], data[equals + 1:stop - 1]
        if b"\0" in key or (key in (b"path", b"linkpath", b"GNU.sparse.name") and b"\0" in value):
            raise Refused(f"a PAX header of the layer has a NUL in {show(key)}")
        records.append((key, value))
        at = stop
    return records


def parse_time(value: bytes) -> int:
    """A PAX time, decimal seconds with or without a sign, as nanoseconds; what no file system knows becomes the last it may."""
    whole, _, fraction = value.partition(b".")
    negative = whole.startswith(b"-")
    digits = whole[1:] if whole[:1] in (b"-", b"+") else whole
    if not digits.isdigit() or (fraction and not fraction.isdigit()) or len(digits) > 20 or int(digits) >> 63:
        raise Refused(f"a PAX header of the layer has a time that is none: {show(value)}")
    part = int(fraction[:9].ljust(9, b"0")) if fraction else 0
    moment = min(int(digits), MAX_SECONDS) * 1_000_000_000 + part
    return -moment if negative else moment


def parse_decimal(value: bytes) -> int:
    """A PAX number, decimal and not negative; may begin with ``+``."""
    value = value.removeprefix(b"+")
    if not value.isdigit() or len(value) > 18:
        raise Refused(f"a PAX header of the layer has a number that is none: {show(value)}")
    return int(value)
