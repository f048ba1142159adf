"""Doubtful archives, byte by byte. Each verdict was tried with podman 4.3 and containerd 1.6, which both use Go's archive/tar: what
both take is taken, with the same tree. What conman takes beyond that (garbage in fields that nobody needs) is not listed.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import pytest

from conman_kernel.errors import InvalidInput

END = bytes(1024)


def data(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


class Header(NamedTuple):
    """A ustar header, field by field as it stands in the archive."""

    name: bytes = b"f"
    kind: bytes = b"0"
    size: bytes = b"00000000003\0"
    uid: bytes = b"0000000\0"
    mtime: bytes = b"00000000000\0"
    link: bytes = b""
    magic: bytes = b"ustar\00000"
    back: bytes = bytes(183)
    checksum: bytes = b""

    def bytes(self, *, signed: bool = False) -> bytes:
        front = self.name.ljust(100, b"\0") + b"0000644\0" + self.uid + b"0000000\0" + self.size + self.mtime
        rest = self.kind + self.link.ljust(100, b"\0") + self.magic + bytes(64) + self.back
        total = sum(byte - 256 if signed and byte > 127 else byte for byte in front + b" " * 8 + rest)
        return front + (self.checksum or b"%06o\0 " % total) + rest


def record(key: bytes, value: bytes) -> bytes:
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + len(b"%d" % len(rest))
    return b"%d" % (len(rest) + len(b"%d" % size)) + rest


def special(kind: bytes, content: bytes) -> bytes:
    return Header(b"special", kind, b"%011o\0" % len(content)).bytes() + data(content)


def pax(key: bytes, value: bytes) -> bytes:
    return special(b"x", record(key, value))


FILE = Header().bytes() + data(b"abc")
OTHER = Header(b"g").bytes() + data(b"abc")
EMPTY = b"00000000000\0"

ACCEPTED = {
    "one zero block": (FILE + bytes(512), ["f"]),
    "no end": (FILE, ["f"]),
    "no padding": (Header().bytes() + b"abc", ["f"]),
    "half of the padding": (Header().bytes() + b"abc" + bytes(100), ["f"]),
    "a signed checksum": (Header(b"\xc3\xbc").bytes(signed=True) + data(b"abc") + END, ["ü"]),
    "a size in base 256": (Header(size=b"\x80" + (3).to_bytes(11, "big")).bytes() + data(b"abc") + END, ["f"]),
    "a size among spaces": (Header(size=b"          3 ").bytes() + data(b"abc") + END, ["f"]),
    "a v7 header": (Header(magic=bytes(8)).bytes() + data(b"abc") + END, ["f"]),
    "a v7 folder": (Header(b"d/", b"\0", EMPTY, magic=bytes(8)).bytes() + END, ["d"]),
    "a GNU magic with a prefix": (Header(magic=b"ustar  \0").bytes() + data(b"abc") + END, ["f"]),
    "an unknown magic": (Header(magic=b"abcdefgh").bytes() + data(b"abc") + END, ["f"]),
    "a file with a slash at its end": (Header(b"f/").bytes() + data(b"abc") + END, ["f"]),
    "a link with a size and no data": (FILE + Header(b"l", b"1", link=b"f").bytes() + OTHER + END, ["f", "g", "l"]),
    "a folder with a size and no data": (Header(b"d/", b"5").bytes() + OTHER + END, ["d", "g"]),
    "a global header": (special(b"g", record(b"path", b"evil")) + FILE + END, ["f"]),
    "the last of two names": (special(b"x", record(b"path", b"p") + record(b"path", b"q")) + FILE + END, ["q"]),
    "an empty name in PAX": (pax(b"path", b"") + FILE + END, ["f"]),
    "the last of two PAX headers": (pax(b"path", b"p") + pax(b"uid", b"7") + FILE + END, ["f"]),
    "a GNU name behind a PAX name": (pax(b"path", b"p") + special(b"L", b"q\0") + FILE + END, ["q"]),
    "a GNU name before a PAX name": (special(b"L", b"q\0") + pax(b"path", b"p") + FILE + END, ["q"]),
    "a GNU name without NUL": (special(b"L", b"qq") + FILE + END, ["qq"]),
    "an empty GNU name": (special(b"L", b"") + FILE + END, ["f"]),
    "a PAX header and the end": (FILE + pax(b"path", b"p") + END, ["f"]),
    "a GNU name and the end": (FILE + special(b"L", b"p\0") + END, ["f"]),
    "an empty PAX header": (special(b"x", b"") + FILE + END, ["f"]),
    "a PAX size": (pax(b"size", b"3") + Header(size=EMPTY).bytes() + data(b"abc") + END, ["f"]),
    "a PAX size with a plus": (pax(b"size", b"+3") + FILE + END, ["f"]),
    "a PAX size of a folder": (pax(b"size", b"512") + Header(b"d/", b"5", EMPTY).bytes() + OTHER + END, ["d", "g"]),
    "a time before the epoch": (pax(b"mtime", b"-1.5") + FILE + END, ["f"]),
    "a time that ends with a dot": (pax(b"mtime", b"1.") + FILE + END, ["f"]),
    "a time of thirty digits behind the dot": (pax(b"mtime", b"1." + b"1" * 30) + FILE + END, ["f"]),
    "a time beyond all file systems": (pax(b"mtime", b"%d" % (1 << 60)) + FILE + END, ["f"]),
    "a NUL in an attribute": (pax(b"SCHILY.xattr.user.a", b"a\0b") + FILE + END, ["f"]),
}

REFUSED = {
    "a zero block in the midst": FILE + bytes(512) + OTHER + END,
    "half a block": FILE + bytes(100),
    "data cut": Header(size=b"00000001130\0").bytes() + bytes(512),
    "a wrong checksum": Header(checksum=b"000001\0 ").bytes() + data(b"abc") + END,
    "a negative size": Header(size=b"\xff" * 12).bytes() + END,
    "a size of 2^70": Header(size=b"\x80" + (1 << 70).to_bytes(11, "big")).bytes() + data(b"abc") + END,
    "a size with a minus": Header(size=b"-0000000001\0").bytes() + data(b"abc") + END,
    "a size that is no number": Header(size=b"0000000009x\0").bytes() + data(b"abc") + END,
    "a uid that is no number": Header(uid=b"zzzzzzz\0").bytes() + data(b"abc") + END,
    "a time that is no number": Header(mtime=b"hello world\0").bytes() + data(b"abc") + END,
    "data of a link": FILE + Header(b"l", b"1", link=b"f").bytes() + data(b"abc") + OTHER + END,
    "data of a folder": Header(b"d/", b"5").bytes() + data(b"abc") + OTHER + END,
    "a NUL in a PAX name": pax(b"path", b"a\0b") + FILE + END,
    "a NUL in a PAX key": pax(b"a\0b", b"a") + FILE + END,
    "a negative PAX size": pax(b"size", b"-3") + FILE + END,
    "a PAX size of 25 digits": pax(b"size", b"9" * 25) + FILE + END,
    "a PAX size with a space": pax(b"size", b" 3") + FILE + END,
    "a PAX time that is none": pax(b"mtime", b"abc") + FILE + END,
    "a PAX time with two dots": pax(b"mtime", b"1.2.3") + FILE + END,
    "a PAX time of 20 digits": pax(b"mtime", b"9" * 20) + FILE + END,
    "a PAX header of 1.1 MB": pax(b"comment", b"c" * 1_100_000) + FILE + END,
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(bench, name):
    layer, tree = ACCEPTED[name]
    bench.unpack(layer, base=True)
    assert sorted(os.listdir(bench.root)) == tree


@pytest.mark.parametrize("name", REFUSED)
def test_refused(bench, name):
    with pytest.raises(InvalidInput):
        bench.unpack(REFUSED[name], base=True)


def test_what_the_words_mean(bench):
    bench.unpack(ACCEPTED["a time before the epoch"][0])
    assert (bench.root / "f").stat().st_mtime_ns == -1_500_000_000
    bench.unpack(ACCEPTED["the last of two PAX headers"][0])
    assert (bench.root / "f").stat().st_uid == 7 and (bench.root / "f").read_bytes() == b"abc"
