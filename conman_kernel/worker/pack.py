"""A layer's tar of a folder, written at once: entries in the order of their names' bytes, parents before children.

Source: OCI image-spec, "Image Layer Filesystem Changeset". What other engines write is followed where the specification is
silent: folders on the way to a change are written too, hard links point at the first of their names. The root has an entry
(``./``) only where its mode, owner or attributes differ from what lies below, or, with nothing below, from a new folder's.
The same trees give the same tar: no entry has a time of its making, whiteouts have the epoch's.
"""

from __future__ import annotations

import os
import stat
from typing import Mapping

from . import attributes
from .archive import BLOCK_DEVICE, CHARACTER, FIFO, FOLDER, LINK, REGULAR, SYMLINK
from .failure import Failed, Refused, explain, show
from .header import BLOCK
from .sink import Sink, Written
from .tar_header import END, entry_header
from .tree import DELETED, FILE_FLAGS, GONE, Difference, Trees

_OPAQUE = b"/.wh..wh..opq"
_READ = 1 << 18
_KINDS = {stat.S_IFLNK: SYMLINK, stat.S_IFCHR: CHARACTER, stat.S_IFBLK: BLOCK_DEVICE, stat.S_IFIFO: FIFO}
_PLAIN_ROOT = (0o755, 0, 0)


class Packer:
    """Writes one layer.

    :param plain: see :class:`~.jobs.PackRequest`.
    """

    def __init__(self, sink: Sink, trees: Trees, *, plain: bool) -> None:
        self._sink = sink
        self._trees = trees
        self._plain = plain
        self._names: dict[tuple[int, int], bytes] = {}
        self.entries = 0
        self.skipped = 0

    def run(self, upper: int, lower: int | None) -> Written:
        """Write the root where it differs, every difference, and the end.

        :raises Refused: an entry that no layer can hold. :raises Failed: it cannot be read or written.
        """
        self._root(upper, lower)
        for difference in self._trees.differences():
            try:
                self._difference(difference)
            except OSError as error:
                if error.errno not in GONE:
                    raise _unread(error, difference.path) from None
        self._sink.write(END)
        self.skipped += self._trees.skipped
        return self._sink.finish()

    def _root(self, upper: int, lower: int | None) -> None:
        mine, state = _root_described(upper), os.fstat(upper)
        if mine == (_root_described(lower) if lower is not None else (_PLAIN_ROOT, {})):
            return
        self._header(b"./", FOLDER, state, xattrs=mine[1])

    def _difference(self, difference: Difference) -> None:
        if not self._plain and difference.base.startswith(b".wh."):
            raise Refused(f"{show(difference.path)} has a name reserved for whiteouts: a layer cannot hold it")
        if difference.kind == DELETED:
            where, slash, base = difference.path.rpartition(b"/")
            self._whiteout(where + slash + b".wh." + base)
            return
        assert difference.state is not None
        if difference.own >= 0:
            self._header(difference.path + b"/", FOLDER, os.fstat(difference.own), xattrs=attributes.read(difference.own))
            if difference.opaque:
                self._whiteout(difference.path + _OPAQUE)
            return
        known = self._names.get((difference.state.st_dev, difference.state.st_ino)) if difference.state.st_nlink > 1 else None
        if known is not None:
            self._header(difference.path, LINK, difference.state, link=known)
        elif stat.S_ISREG(difference.state.st_mode):
            self._file(difference)
        else:
            self._node(difference, difference.state)

    def _file(self, difference: Difference) -> None:
        fd = os.open(difference.base, FILE_FLAGS, dir_fd=difference.folder)
        try:
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                return
            self._header(difference.path, REGULAR, state, size=state.st_size, xattrs=attributes.read(fd))
            self._remember(difference.path, state)
            try:
                self._data(fd, state.st_size)
            except OSError as error:  # its header is written: it cannot be left out any more
                raise _unread(error, difference.path) from None
        finally:
            os.close(fd)

    def _data(self, fd: int, size: int) -> None:
        """As many bytes as were announced, whatever becomes of the file meanwhile."""
        left = size
        while left and (data := os.read(fd, min(left, _READ))):
            self._sink.write(data)
            left -= len(data)
        left += -size % BLOCK
        while left:
            zeros = bytes(min(left, _READ))
            self._sink.write(zeros)
            left -= len(zeros)

    def _node(self, difference: Difference, state: os.stat_result) -> None:
        kind = _KINDS.get(stat.S_IFMT(state.st_mode))
        if kind is None:
            self.skipped += 1
            return
        link = os.readlink(difference.base, dir_fd=difference.folder) if kind == SYMLINK else b""
        device = (os.major(state.st_rdev), os.minor(state.st_rdev)) if kind in (CHARACTER, BLOCK_DEVICE) else (0, 0)
        self._header(difference.path, kind, state, link=link, device=device,
                     xattrs=attributes.read(attributes.inside(difference.folder, difference.base)))
        self._remember(difference.path, state)

    def _remember(self, path: bytes, state: os.stat_result) -> None:
        if state.st_nlink > 1:
            self._names.setdefault((state.st_dev, state.st_ino), path)

    def _header(self, name: bytes, kind: bytes, state: os.stat_result, *, size: int = 0, link: bytes = b"",
                device: tuple[int, int] = (0, 0), xattrs: Mapping[bytes, bytes] | None = None) -> None:
        kept = {key: value for key, value in (xattrs or {}).items() if b"=" not in key}
        self.skipped += len(xattrs or ()) - len(kept)
        self.entries += 1
        self._sink.write(entry_header(name, kind, mode=stat.S_IMODE(state.st_mode), uid=state.st_uid, gid=state.st_gid, size=size,
                                      mtime=state.st_mtime_ns, link=link, device=device, xattrs=kept))

    def _whiteout(self, name: bytes) -> None:
        self.entries += 1
        self._sink.write(entry_header(name, REGULAR, mode=0, uid=0, gid=0))


def _root_described(fd: int) -> tuple[tuple[int, int, int], Mapping[bytes, bytes]]:
    state = os.fstat(fd)
    return (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid), attributes.read(fd)


def _unread(error: OSError, path: bytes) -> Failed:
    problem = explain(error, f"packing {show(path)}")
    return problem if isinstance(problem, Failed) else Failed(str(problem))
