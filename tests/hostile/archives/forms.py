"""The forms of tar: PAX and GNU headers, numbers of any size, sparse files of every form, broken blocks."""

from __future__ import annotations

from conman_kernel.testing.hostile.cases import Accepted, Case, big, d, f, no, ok, plain, s
from conman_kernel.testing.hostile.tars import (
    END,
    EPOCH,
    GNU,
    binary,
    file,
    folder,
    gnu_link,
    gnu_name,
    gnu_sparse,
    header,
    link,
    padded,
    pax,
    pax_raw,
    pax_sparse_00,
    pax_sparse_01,
    pax_sparse_10,
    record,
    symlink,
    tar,
)

X = file(b"x", b"1")
ONE = ok(x=f(b"1"))
SEGMENTS = [(0, 3), (1000, 4)]
SPARSE = ok(sp=f(b"abc" + bytes(997) + b"defg" + bytes(996)))
DATA = b"abcdefg"
MANY = [(1000 * k, 2) for k in range(60)]
MANY_DATA = b"ab" * 60
MANY_OK = ok(sp=f(b"".join(b"ab" + bytes(998) for _ in range(60))))
TOO_BIG = 1 << 62


def _endless() -> bytes:
    more = (b"00000000000\0" * 42).ljust(504, b"\0") + b"\1" + bytes(7)
    return header(b"sp", b"S", magic=GNU, patch={482: b"\1"}) + more * 60_000


def _signed(name: bytes) -> bytes:
    """The checksum as tars of old took it: of signed bytes."""
    block = header(name)
    return b"%06o\0 " % (sum(byte - 256 if byte > 127 else byte for byte in block[:148] + block[156:]) + 8 * 32)


HEADERS = [
    Case("pax-name", [tar(pax({b"path": b"p" * 150}), X)], Accepted({"p" * 150: f(b"1")})),
    Case("pax-after-pax", [tar(pax({b"path": b"first"}), pax({b"path": b"second"}), X)], ok(second=f(b"1"))),
    Case("pax-empty", [tar(pax_raw(b""), X)], ONE),
    Case("pax-empty-value", [tar(pax({b"path": b""}), X)], ONE),
    Case("pax-unknown-keys", [tar(pax({b"comment": b"hello", b"FOO.bar": b"\xff\xfe"}), X)], ONE),
    Case("pax-global", [tar(pax({b"path": b"everything", b"uid": b"77"}, b"g"), X)], ok(x=f(b"1", owner=(0, 0)))),
    Case("pax-at-the-end", [tar(X, pax({b"path": b"y"}))], ONE),
    Case("pax-record-too-long", [tar(pax_raw(b"99 path=y\n"), X)], no("PAX")),
    Case("pax-record-too-short", [tar(pax_raw(b"3 path=y\n"), X)], no("PAX")),
    Case("pax-record-zero", [tar(pax_raw(b"0 path=y\n"), X)], no("PAX")),
    Case("pax-record-negative", [tar(pax_raw(b"-9 path=y\n"), X)], no("PAX")),
    Case("pax-record-huge", [tar(pax_raw(b"99999999999999999999 path=y\n"), X)], no("PAX")),
    Case("pax-record-no-equals", [tar(pax_raw(b"9 pathxy\n"), X)], no("PAX")),
    Case("pax-record-no-key", [tar(pax_raw(b"5 =y\n\n"), X)], no("PAX")),
    Case("pax-header-claims-8-GiB", [tar(pax_raw(b"", size=b"77777777777"), X)], no("bigger than")),
    Case("pax-header-of-3-MiB", [lambda: plain(tar(pax({b"comment": b"c" * (3 << 20)}), X))], no("bigger than 1048576"),
         limit="1 MiB of one extended header"),
    Case("pax-size-over-header", [tar(pax({b"size": b"5"}) + header(b"x", size=0) + padded(b"hello"))], ok(x=f(b"hello"))),
    Case("pax-size-negative", [tar(pax({b"size": b"-1"}), X)], no("number")),
    Case("pax-size-huge", [tar(pax({b"size": b"9" * 17}), X)], no("bigger")),
    Case("pax-size-not-a-number", [tar(pax({b"size": b"1e3"}), X)], no("number")),
    Case("pax-uid-huge", [tar(pax({b"uid": b"4294967294"}), X)], ok(x=f(b"1", owner=(4294967294, 0)))),
    Case("pax-uid-too-huge", [tar(pax({b"uid": b"4294967296"}), X)], no("'x'", "range"), limit="owner ids"),
    Case("pax-uid-minus-one", [tar(pax({b"uid": b"4294967295"}), X)], no("'x'", "range"), limit="owner ids"),
    Case("pax-mtime", [tar(pax({b"mtime": b"1600000000.123456789"}), X)], ok(x=f(b"1", mtime=1_600_000_000_123_456_789))),
    Case("pax-mtime-before-1970", [tar(pax({b"mtime": b"-1.5"}), X)], ok(x=f(b"1", mtime=-1_500_000_000))),
    Case("pax-mtime-junk", [tar(pax({b"mtime": b"yesterday"}), X)], no("time")),
    Case("pax-xattr-user", [tar(pax({b"SCHILY.xattr.user.k": b"v"}), X)], ONE, peers="tmpfs keeps no user attributes"),
    Case("pax-xattr-nul-key", [tar(pax({b"SCHILY.xattr.user.a\0b": b"v"}), X)], no("NUL")),
    Case("gnu-name", [tar(gnu_name(b"g" * 150), file(b"g", b"1", magic=GNU))], Accepted({"g" * 150: f(b"1")})),
    Case("gnu-link", [tar(gnu_link(b"t" * 150), symlink(b"g", b"t", magic=GNU))], ok(g=s("t" * 150))),
    Case("gnu-name-and-link-hard", [tar(X, gnu_name(b"h" * 120), gnu_link(b"./x"), link(b"h", b"y", magic=GNU))],
         Accepted({"x": f(b"1"), "h" * 120: f(b"1", same="x")})),
    Case("gnu-name-at-the-end", [tar(X, gnu_name(b"y"))], ONE),
    Case("gnu-name-claims-8-GiB", [tar(header(b"././@LongLink", b"L", size=b"77777777777", magic=GNU), X)], no("bigger than")),
    Case("gnu-name-negative", [tar(header(b"././@LongLink", b"L", size=binary(-5, 12), magic=GNU), X)], no("header")),
    Case("gnu-name-and-pax", [tar(gnu_name(b"gnu"), pax({b"path": b"pax"}), X)], ok(gnu=f(b"1"))),
    Case("ustar-prefix", [tar(file(b"base", b"1", prefix=b"some/where"))],
         Accepted({"some": d(), "some/where": d(), "some/where/base": f(b"1")})),
    Case("ustar-prefix-dotdot", [tar(file(b"x", b"1", prefix=b"../.."))], ONE),
]

SIZES = [
    Case("size-negative", [tar(header(b"x", size=binary(-1, 12)))], no("'x'", "size")),
    Case("size-minus-huge", [tar(header(b"x", size=binary(-(1 << 62), 12)))], no("'x'", "size")),
    Case("size-8-EiB", [tar(header(b"x", size=binary((1 << 63) - 1, 12)))], no("bigger")),
    Case("size-over-64-bits", [tar(header(b"x", size=binary(1 << 80, 12)))], no("")),
    Case("size-8-GiB-without-data", [tar(header(b"x", size=b"77777777777"))], no("early")),
    Case("size-base-256", [tar(header(b"x", size=binary(1, 12)) + padded(b"1"))], ONE),
    Case("size-not-octal", [tar(header(b"x", size=b"0000000000z"))], no("octal")),
    Case("size-decimal-nine", [tar(header(b"x", size=b"00000000009"))], no("octal")),
    Case("size-with-spaces", [tar(header(b"x", size=b"         1 ") + padded(b"1"))], ONE),
    Case("size-of-a-symlink", [tar(header(b"s", b"2", link=b"t", size=1000), X)], ok(s=s("t"), x=f(b"1"))),
    Case("uid-base-256", [tar(file(b"x", b"1", uid=binary(3_000_000, 8)))], ok(x=f(b"1", owner=(3_000_000, 0)))),
    Case("uid-negative", [tar(file(b"x", b"1", uid=binary(-1, 8)))], no("'x'", "range"), limit="owner ids"),
    Case("mtime-base-256-huge", [tar(file(b"x", b"1", mtime=binary(1 << 60, 12)))], ONE),
    Case("mtime-negative", [tar(file(b"x", b"1", mtime=binary(-5, 12)))], ok(x=f(b"1", mtime=-5_000_000_000))),
    Case("mode-huge", [tar(file(b"x", b"1", mode=b"7777777"))], ok(x=f(b"1", 0o7777))),
]

SPARSES = [
    Case("sparse-gnu", [tar(gnu_sparse(b"sp", [*SEGMENTS, (2000, 0)], 2000, DATA))], SPARSE),
    Case("sparse-gnu-60-segments", [tar(gnu_sparse(b"sp", [*MANY, (60_000, 0)], 60_000, MANY_DATA))], MANY_OK),
    Case("sparse-pax-0.0", [tar(pax_sparse_00(b"sp", SEGMENTS, 2000, DATA))], SPARSE),
    Case("sparse-pax-0.1", [tar(pax_sparse_01(b"sp", SEGMENTS, 2000, DATA))], SPARSE),
    Case("sparse-pax-1.0", [tar(pax_sparse_10(b"sp", SEGMENTS, 2000, DATA))], SPARSE),
    Case("sparse-pax-1.0-60-segments", [tar(pax_sparse_10(b"sp", MANY, 60_000, MANY_DATA))], MANY_OK),
    Case("sparse-hole-only", [tar(gnu_sparse(b"sp", [(5000, 0)], 5000, b""))], ok(sp=f(bytes(5000)))),
    Case("sparse-hole-of-1-TiB", [tar(gnu_sparse(b"sp", [((1 << 33) - 1, 0)], binary((1 << 40) + 1, 12), b""))], no("bigger than"),
         limit="1 TiB that the files of a layer may read as"),
    Case("sparse-hole-of-100-GiB", [tar(pax_sparse_10(b"sp", [], 100 << 30, b""))], ok(sp=big(100 << 30))),
    Case("sparse-overlap", [tar(gnu_sparse(b"sp", [(0, 4), (2, 4)], 100, b"12345678"))], no("'sp'", "overlap")),
    Case("sparse-backwards", [tar(gnu_sparse(b"sp", [(50, 4), (0, 4)], 100, b"12345678"))], no("'sp'", "overlap")),
    Case("sparse-beyond-its-size", [tar(gnu_sparse(b"sp", [(0, 8)], 4, b"12345678"))], no("'sp'", "add up")),
    Case("sparse-more-data-than-said", [tar(gnu_sparse(b"sp", [(0, 4)], 100, b"12345678"))], no("'sp'", "add up")),
    Case("sparse-less-data-than-said", [tar(gnu_sparse(b"sp", [(0, 80)], 100, b"12345678"))], no("'sp'", "add up")),
    Case("sparse-negative-offset", [tar(gnu_sparse(b"sp", [(binary(-5, 12), 8)], 100, b"12345678"))], no("'sp'")),
    Case("sparse-negative-length", [tar(gnu_sparse(b"sp", [(0, binary(-8, 12))], 100, b""))], no("'sp'")),
    Case("sparse-size-negative", [tar(gnu_sparse(b"sp", [(0, 0)], binary(-8, 12), b""))], no("sp")),
    Case("sparse-offset-overflow", [tar(gnu_sparse(b"sp", [(binary(TOO_BIG, 12), binary(TOO_BIG, 12))], binary(TOO_BIG, 12), b""))], no("sp")),
    Case("sparse-map-not-numbers", [tar(pax_sparse_10(b"sp", [], 5, b"", table=b"two\n0\n5\n"))], no("number")),
    Case("sparse-map-claims-millions", [tar(pax_sparse_10(b"sp", [], 5, b"", table=b"99999999\n0\n5\n"))], no("map")),
    Case("sparse-map-without-end", [tar(pax_sparse_10(b"sp", [], 5, b"", table=b"1" * 700))], no("")),
    Case("sparse-half-a-segment", [tar(pax([(b"GNU.sparse.size", b"9"), (b"GNU.sparse.map", b"0,1,2")]), X)], no("segment")),
    Case("sparse-without-size", [tar(pax([(b"GNU.sparse.map", b"0,1")]), X)], no("size")),
    Case("sparse-name-leaves", [tar(pax_sparse_10(b"../../sp", SEGMENTS, 2000, DATA))], SPARSE),
    Case("sparse-gnu-continued-for-ever", [lambda: plain(tar(_endless()))], no("segments")),
]

BROKEN = [
    Case("empty-blob", [b""], Accepted({})),
    Case("only-the-end", [END], Accepted({})),
    Case("no-end", [tar(X, end=b"")], ONE),
    Case("half-an-end", [tar(X, end=bytes(512))], ONE),
    Case("zero-block-in-the-midst", [tar(X, bytes(512), file(b"y"))], no("zero block")),
    Case("entries-after-the-end", [tar(X, END, file(b"y", b"hidden"))], ONE),
    Case("garbage-after-the-end", [tar(X) + b"garbage" * 100], ONE),
    Case("cut-in-a-header", [tar(X, end=header(b"y")[:300])], no("early")),
    Case("cut-in-data", [tar(X, end=header(b"y", size=4000) + b"data" * 10)], no("early")),
    Case("cut-in-padding", [tar(end=header(b"x", size=1) + b"1")], ONE),
    Case("checksum-wrong", [tar(X, header(b"y", checksum=b"000001\0 "))], no("checksum")),
    Case("checksum-not-a-number", [tar(X, header(b"y", checksum=b"hello"))], no("")),
    Case("checksum-signed", [tar(file(b"\xe9\xe8", checksum=_signed(b"\xe9\xe8")))], Accepted({"\udce9\udce8": f(b"")})),
    Case("checksum-empty", [tar(X, header(b"y", checksum=b""))], no("checksum")),
    Case("no-tar-at-all", [b"#!/bin/sh\necho hello\n" * 100], no("")),
    Case("html-in-place-of-a-layer", [b"<html><body>Please log in</body></html>"], no("")),
    Case("a-png", [b"\x89PNG\r\n\x1a\n" + bytes(2000)], no("")),
    Case("a-zip", [b"PK\x03\x04" + bytes(range(256)) * 8], no("")),
    Case("date-in-order", [tar(folder(b"e/", mtime=EPOCH - 9), file(b"e/x"))], Accepted({"e": d(mtime=(EPOCH - 9) * 10**9), "e/x": f(b"")})),
    Case("pax-record-of-a-million-keys", [lambda: plain(tar(pax_raw(record(b"k", b"") * 200_000), X))], ONE),
]

CASES = [*HEADERS, *SIZES, *SPARSES, *BROKEN]
