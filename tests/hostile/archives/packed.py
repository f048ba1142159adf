"""Compression: gzip of several members, zstd of several frames, trailing garbage, bad checksums, bombs, wrong types."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from typing import Callable

from conman_kernel.errors import DigestMismatch
from conman_kernel.testing.hostile.cases import TAR, Accepted, Case, Layer, Refused, big, f, no, ok
from conman_kernel.testing.hostile.tars import END, file, header, tar

GZIP, ZSTD = TAR + "+gzip", TAR + "+zstd"
X = tar(file(b"x", b"1"))
ONE = ok(x=f(b"1"))
MEGA = bytes(1 << 20)


def gz(data: bytes, *, level: int = 6) -> bytes:
    """One gzip member."""
    return gzip.compress(data, level, mtime=0)


def gz_named(data: bytes) -> bytes:
    """A member with every optional field: extra, name, comment, header checksum (RFC 1952, 2.3)."""
    top = b"\x1f\x8b\x08\x1e\0\0\0\0\0\x03" + struct.pack("<H", 4) + b"ab\0\0" + b"../../name\0" + b"comment\0"
    raw = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = raw.compress(data) + raw.flush()
    return top + struct.pack("<H", zlib.crc32(top) & 0xFFFF) + body + struct.pack("<II", zlib.crc32(data), len(data))


def zst(data: bytes) -> bytes:
    """One zstd frame."""
    import importlib

    try:
        module = importlib.import_module("compression.zstd")
    except ImportError:
        module = importlib.import_module("backports.zstd")
    packed: bytes = module.compress(data)
    return packed


def skippable(data: bytes) -> bytes:
    """A zstd frame that readers pass over (RFC 8878, 3.1.2)."""
    return b"\x50\x2a\x4d\x18" + struct.pack("<I", len(data)) + data


def as_gzip(blob: Callable[[], bytes], plain: bytes = X, kind: str = GZIP) -> Callable[[], Layer]:
    """A layer that is made when it is needed."""
    return lambda: Layer(blob(), plain, kind)


def zeros(megabytes: int, pack: Callable[[bytes], bytes]) -> Callable[[], Layer]:
    """A file of zeros: a thousand times smaller packed."""
    def make() -> Layer:
        plain = header(b"z", size=megabytes << 20) + MEGA * megabytes + END
        return Layer(pack(plain), plain, GZIP if pack is gz else ZSTD)

    return make


CASES = [
    Case("gzip", [as_gzip(lambda: gz(X))], ONE),
    Case("gzip-two-members", [as_gzip(lambda: gz(X[:700]) + gz(X[700:]))], ONE),
    Case("gzip-member-per-byte", [as_gzip(lambda: b"".join(gz(X[k:k + 1]) for k in range(len(X))))], ONE),
    Case("gzip-empty-members", [as_gzip(lambda: gz(b"") * 50 + gz(X) + gz(b"") * 50)], ONE),
    Case("gzip-optional-fields", [as_gzip(lambda: gz_named(X))], ONE),
    Case("gzip-stored", [as_gzip(lambda: gz(X, level=0))], ONE),
    Case("gzip-zero-padding", [as_gzip(lambda: gz(X) + bytes(512))], no("gzip")),
    Case("gzip-trailing-garbage", [as_gzip(lambda: gz(X) + b"garbage")], no("gzip")),
    Case("gzip-half-a-second-member", [as_gzip(lambda: gz(X) + gz(X)[:15])], no("gzip")),
    Case("gzip-cut", [as_gzip(lambda: gz(X)[:-12])], no("gzip")),
    Case("gzip-cut-in-the-trailer", [as_gzip(lambda: gz(X)[:-3])], no("gzip")),
    Case("gzip-cut-in-the-header", [as_gzip(lambda: gz(X)[:7])], no("gzip")),
    Case("gzip-bad-crc", [as_gzip(lambda: gz(X)[:-8] + b"\0\0\0\0" + gz(X)[-4:])], no("gzip")),
    Case("gzip-bad-length", [as_gzip(lambda: gz(X)[:-4] + b"\xff\xff\0\0")], no("gzip")),
    Case("gzip-bad-deflate", [as_gzip(lambda: gz(X)[:10] + b"\xff" * 40)], no("gzip")),
    Case("gzip-reserved-flags", [as_gzip(lambda: gz(X)[:3] + b"\xe0" + gz(X)[4:])], ONE),
    Case("gzip-name-without-end", [as_gzip(lambda: b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * 300_000)], no("gzip")),
    Case("gzip-in-gzip", [as_gzip(lambda: gz(gz(X)), gz(X))], no("")),
    Case("gzip-called-plain", [as_gzip(lambda: gz(X), X, TAR)], ONE),
    Case("plain-called-gzip", [as_gzip(lambda: X, X, GZIP)], ONE),
    Case("gzip-called-zstd", [as_gzip(lambda: gz(X), X, ZSTD)], ONE),
    Case("gzip-wrong-diff-id", [as_gzip(lambda: gz(X), X + b"\0")],
         Refused(DigestMismatch, ("layer 1", "configuration"))),
    Case("gzip-bomb-64-MiB", [zeros(64, gz)], Accepted({"z": big(64 << 20)})),
    Case("gzip-bomb-behind-the-end", [lambda: Layer(gz(X + MEGA * 256, level=1), X + MEGA * 256, GZIP)], ONE),
    Case("zstd", [as_gzip(lambda: zst(X), X, ZSTD)], ONE),
    Case("zstd-two-frames", [as_gzip(lambda: zst(X[:700]) + zst(X[700:]), X, ZSTD)], ONE),
    Case("zstd-skippable-frames", [as_gzip(lambda: skippable(b"hello") + zst(X) + skippable(b"bye"), X, ZSTD)], ONE),
    Case("zstd-only-skippable", [as_gzip(lambda: skippable(b"hello"), b"", ZSTD)], Accepted({})),
    Case("zstd-cut", [as_gzip(lambda: zst(X)[:-5], X, ZSTD)], no("zstd")),
    Case("zstd-bad-data", [as_gzip(lambda: zst(X)[:6] + b"\xff" * 60, X, ZSTD)], no("zstd")),
    Case("zstd-trailing-garbage", [as_gzip(lambda: zst(X) + b"garbage", X, ZSTD)], no("zstd")),
    Case("zstd-skippable-of-4-GiB", [as_gzip(lambda: zst(X) + b"\x50\x2a\x4d\x18\xff\xff\xff\xff", X, ZSTD)], no("zstd")),
    Case("zstd-window-of-1-TiB", [as_gzip(lambda: b"\x28\xb5\x2f\xfd\x00\xf0\x01\x00\x00", X, ZSTD)], no("zstd")),
    Case("zstd-called-gzip", [as_gzip(lambda: zst(X), X, GZIP)], ONE),
    Case("zstd-bomb-64-MiB", [zeros(64, zst)], Accepted({"z": big(64 << 20)})),
    Case("bzip2-layer", [as_gzip(lambda: bz2.compress(X), X, TAR)], no("bzip2")),
    Case("xz-layer", [as_gzip(lambda: lzma.compress(X), X, TAR)], no("xz")),
]
