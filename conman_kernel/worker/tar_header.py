"""One entry's headers, as bytes: ustar, with a PAX header in front where ustar cannot say it. No I/O.

The same entry always gives the same bytes. Sources: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended
Header"; ``SCHILY.xattr.`` is the prefix that tar programs and container engines agree on for extended attributes.
"""

from __future__ import annotations

from typing import Mapping

from .header import BLOCK

_OCTAL_7, _OCTAL_11 = 0o7777777, 0o77777777777
_SECOND = 1_000_000_000
END = bytes(2 * BLOCK)


def entry_header(name: bytes, kind: bytes, *, mode: int, uid: int, gid: int, size: int = 0, mtime: int = 0, link: bytes = b"",
                 device: tuple[int, int] = (0, 0), xattrs: Mapping[bytes, bytes] | None = None) -> bytes:
    """The header blocks of an entry; data of ``size`` bytes and its padding are to follow.

    :param name: raw; a folder's ends with a slash.
    :param mtime: nanoseconds since the epoch.
    :param xattrs: by raw name; a name with ``=`` in it cannot be written and must not be given.
    """
    records: dict[bytes, bytes] = {}
    prefix, short = _split(name)
    if not short:
        records[b"path"] = name
        prefix, short = b"", _plain(name)
    target = link
    if len(link) > 100 or not link.isascii():
        records[b"linkpath"] = link
        target = _plain(link)
    if uid > _OCTAL_7:
        records[b"uid"] = b"%d" % uid
    if gid > _OCTAL_7:
        records[b"gid"] = b"%d" % gid
    if size > _OCTAL_11:
        records[b"size"] = b"%d" % size
    seconds, fraction = divmod(mtime, _SECOND)
    if fraction or not 0 <= seconds <= _OCTAL_11:
        records[b"mtime"] = _time(mtime)
    for key in sorted(xattrs or ()):
        records[b"SCHILY.xattr." + key] = (xattrs or {})[key]
    block = _block(short, kind, mode, uid if uid <= _OCTAL_7 else 0, gid if gid <= _OCTAL_7 else 0,
                   size if size <= _OCTAL_11 else 0, seconds if 0 <= seconds <= _OCTAL_11 else 0, target, device, prefix)
    return _extended(name, records) + block if records else block


def _extended(name: bytes, records: Mapping[bytes, bytes]) -> bytes:
    data = b"".join(_record(key, records[key]) for key in sorted(records))
    base = _plain(name.rstrip(b"/").rpartition(b"/")[2])[:87]
    return _block(b"PaxHeaders.0/" + base, b"x", 0o644, 0, 0, len(data), 0, b"", (0, 0), b"") + data + bytes(-len(data) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """The length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    size = len(rest) + len(b"%d" % len(rest))
    size = len(rest) + len(b"%d" % size)
    return b"%d" % size + rest


def _split(name: bytes) -> tuple[bytes, bytes]:
    """``prefix`` and ``name`` of a ustar header; an empty name where they do not hold it."""
    if not name.isascii():
        return b"", b""
    if len(name) <= 100:
        return b"", name
    cut = name.rfind(b"/", 0, min(156, len(name) - 1))
    if cut > 0 and len(name) - cut - 1 <= 100:
        return name[:cut], name[cut + 1:]
    return b"", b""


def _plain(name: bytes) -> bytes:
    """What a reader that knows no PAX gets to see: ASCII, cut."""
    return name.decode("ascii", "ignore").encode()[:100]


def _time(mtime: int) -> bytes:
    whole, fraction = divmod(abs(mtime), _SECOND)
    text = b"%d.%09d" % (whole, fraction) if fraction else b"%d" % whole
    return (b"-" if mtime < 0 else b"") + text.rstrip(b"0") if fraction else (b"-" if mtime < 0 else b"") + text


def _block(name: bytes, kind: bytes, mode: int, uid: int, gid: int, size: int, seconds: int, link: bytes,
           device: tuple[int, int], prefix: bytes) -> bytes:
    front = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name.ljust(100, b"\0"), mode, uid, gid, size, seconds)
    back = b"%b%bustar\00000%b%07o\0%07o\0%b" % (kind, link.ljust(100, b"\0"), bytes(64), *device, prefix.ljust(167, b"\0"))
    total = sum(front) + sum(back) + 8 * 32
    return front + b"%06o\0 " % total + back
