"""A root file system's tar as an image of one layer. See :meth:`~.service.Images.import_`."""

from __future__ import annotations

import os
import stat
import time
from typing import Callable, Protocol, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput, Unavailable
from ..oci.instructions import with_changes
from ..oci.platform import Platform
from ..oci.recipe import Recipe
from ..times import rfc3339
from ..worker.jobs import Limits, RepackRequest
from . import leases
from .collection import clear_dead, release
from .leases import Items
from .loading import opened
from .making import Base, Unnamed, make
from .naming import local_names
from .parts import Parts

_CHUNK = 1 << 20


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def import_tar(parts: Parts, source: str | int, name: str, *, changes: Sequence[str], message: str, platform: Platform,
               cancel: Cancel) -> str:
    """See :meth:`~.service.Images.import_`.

    :returns: the image's id.
    """
    names = local_names((name,) if name else ())
    with_changes({}, changes)  # before anything is made
    if isinstance(source, str) and source.partition("://")[0] in ("http", "https"):
        raise InvalidInput(f"{source} is not on this machine", hint=f"curl -L {source} | conman import -")
    shown = "standard input" if source in ("-", 0) else str(source)
    place = "/dev/stdin" if source == "-" else f"/proc/self/fd/{source}" if isinstance(source, int) else source
    clear_dead(parts, cancel)
    fd = opened(place, parts, cancel)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise InvalidInput(f"{shown} is a folder, not a tar", hint=f"tar -C {shown} -c . | conman import -")
        lease = leases.new_id()
        with parts.database.write() as db:
            leases.take(db, "import", Items(), lease)
        try:
            return _made(parts, fd, lease, names, shown, changes=changes, message=message, platform=platform, cancel=cancel)
        except InvalidInput as error:
            release(parts, [lease], Cancel())
            raise InvalidInput(f"{shown} is no tar of a root file system: {error.message}", hint=error.hint) from None
        except BaseException:
            release(parts, [lease], Cancel())
            raise
    finally:
        os.close(fd)


def _made(parts: Parts, fd: int, lease: str, names: Sequence[str], shown: str, *, changes: Sequence[str], message: str,
          platform: Platform, cancel: Cancel) -> str:
    with Unnamed(parts) as out:
        plain = _plain(fd, parts, shown, cancel)
        try:
            packed = parts.worker().repack(RepackRequest(plain, out, cancel))
        finally:
            if plain != fd:
                os.close(plain)
        recipe = Recipe(
            created=rfc3339(time.time()), message=message or f"Imported from {os.path.basename(shown)}",
            created_by=f"/bin/sh -c #(nop) ADD file:{packed.diff_id.removeprefix('sha256:')} in / ",
            changes=tuple(changes), platform=(platform.architecture, platform.os, platform.variant))
        return make(parts, storage=parts.default_storage, lease=lease, base=Base(None, ()), packed=packed, fd=out,
                    recipe=recipe, names=names, what="it", cancel=cancel)


def _plain(fd: int, parts: Parts, shown: str, cancel: Cancel) -> int:
    """The tar, inflated where its compression is none that layers have (xz, bzip2); else as it is."""
    if not os.fstat(fd).st_size:
        raise InvalidInput("it is empty")
    head = os.pread(fd, 6, 0)
    make_one: Callable[[], _Decompressor]
    broken: type[Exception]
    if head == b"\xfd7zXZ\0":
        import lzma

        make_one, broken = lzma.LZMADecompressor, lzma.LZMAError
    elif head[:3] == b"BZh":
        import bz2

        make_one, broken = bz2.BZ2Decompressor, OSError
    else:
        return fd
    out = parts.blobs.unnamed()
    try:
        _inflate(fd, out, make_one, cancel)
        os.lseek(out, 0, os.SEEK_SET)
    except BaseException as error:
        os.close(out)
        if isinstance(error, OSError) and error.errno:
            raise Unavailable(f"cannot inflate {shown}: {error.strerror}") from None
        if isinstance(error, (broken, EOFError)):
            raise InvalidInput(str(error)) from None
        raise
    return out


def _inflate(fd: int, out: int, make_one: Callable[[], _Decompressor], cancel: Cancel) -> None:
    """All streams of the file, one after the other."""
    one, size = make_one(), 0
    at = 0
    while data := os.pread(fd, _CHUNK, at):
        at += len(data)
        while data or not (one.needs_input or one.eof):
            cancel.check()
            if one.eof:
                one = make_one()
            piece = one.decompress(data, _CHUNK)
            data = getattr(one, "unused_data", b"") if one.eof else b""
            size += len(piece)
            if size > Limits().size:
                raise InvalidInput(f"it inflates to more than {Limits().size} bytes")
            view = memoryview(piece)
            while view:
                view = view[os.write(out, view):]
    if not one.eof:
        raise EOFError("it ends early")
