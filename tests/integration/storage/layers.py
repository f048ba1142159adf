"""Layers for the storage tests, each a tar of entries."""

from __future__ import annotations

import io
import tarfile


def tar(*entries: tuple[str, dict[str, object]]) -> bytes:
    """A PAX tar. Each entry is a name (with ``/`` at its end a folder) and TarInfo fields; ``data`` and ``xattrs`` too."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, fields in entries:
            info = tarfile.TarInfo(name.rstrip("/") or "./")
            folder = name.endswith("/")
            info.type, info.mode, info.mtime = (tarfile.DIRTYPE, 0o755, 1.5e9) if folder else (tarfile.REGTYPE, 0o644, 1.6e9)
            data = bytes(fields.pop("data", b""))  # type: ignore[call-overload]
            xattrs = fields.pop("xattrs", {})
            assert isinstance(xattrs, dict)
            info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in xattrs.items()}
            info.size = len(data)
            for field, value in fields.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def image() -> list[bytes]:
    """Three layers with every kind of entry and every kind of deletion."""
    link, symlink, fifo, char, block = {"type": tarfile.LNKTYPE}, {"type": tarfile.SYMTYPE}, tarfile.FIFOTYPE, \
        tarfile.CHRTYPE, tarfile.BLKTYPE
    first = tar(
        ("./", {"mode": 0o751, "mtime": 1.4e9}), ("usr/", {}), ("usr/bin/", {"mode": 0o2755, "gid": 3}),
        ("usr/bin/sh", {"data": b"#!" * 900, "mode": 0o4755}), ("usr/bin/bash", {**link, "linkname": "usr/bin/sh", "mode": 0o4755}),
        ("usr/lib/", {"uid": 4}), ("usr/lib/a.so", {"data": b"a" * 5000, "xattrs": {"user.k": "v"}}),
        ("lib", {**symlink, "linkname": "usr/lib"}), ("dev/", {}), ("dev/null", {"type": char, "devmajor": 1, "devminor": 3}),
        ("dev/disk", {"type": block, "devmajor": 8, "devminor": 1}), ("run/", {"mode": 0o1777}), ("run/p", {"type": fifo}),
        ("var/", {}), ("var/old/", {"mode": 0o700}), ("var/old/x", {"data": b"x"}), ("var/old/sub/", {}),
        ("var/old/sub/y", {}), ("var/gone", {"data": b"gone"}), ("var/tree/", {}), ("var/tree/t", {}),
        ("etc/", {"xattrs": {"user.e": "1"}}), ("etc/conf", {"data": b"one", "uid": 9, "gid": 10}), ("swap", {"data": b"f"}),
        ("usr/bin/ping", {"data": b"p", "xattrs": {
            "security.capability": "\x01\x00\x00\x02\x00\x20" + "\x00" * 14}}),
    )
    second = tar(
        ("usr/", {}), ("usr/bin/", {"mode": 0o2755, "gid": 3}), ("usr/bin/sh", {"data": b"new shell"}),
        ("var/", {}), ("var/.wh.gone", {}), ("var/.wh.tree", {}), ("var/old/", {"mode": 0o711}), ("var/old/.wh..wh..opq", {}),
        ("var/old/new", {"data": b"new"}), ("etc/", {"mode": 0o700}), ("etc/conf", {"data": b"two", "uid": 9}),
        ("swap/", {}), ("swap/in", {"data": b"in"}),
    )
    third = tar(
        ("./", {"mode": 0o755, "mtime": 1.45e9}), ("var/", {}), ("var/tree/", {}), ("var/tree/back", {"data": b"back"}),
        (".wh.run", {}), (".wh.swap", {}), ("swap/", {}), ("swap/fresh", {}), ("etc/", {}), ("etc/hosts", {"data": b"h"}),
    )
    return [first, second, third]
