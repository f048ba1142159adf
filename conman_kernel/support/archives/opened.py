"""An archive that is open, whatever it was made from, and the few that a transport remembers."""

from __future__ import annotations

import os
import stat
from _thread import allocate_lock
from typing import TYPE_CHECKING

from ...errors import InvalidInput, Unavailable
from .inflating import HEAD, packing
from .spool import Spool, file_chunks, pipe_chunks, spooled
from .standard import duplicate, open_source, refuse, stream_number
from .streams import Piece
from .table import Place, Table, read_table

if TYPE_CHECKING:
    from ...cancel import Cancel

MAX_ARCHIVES = 16
"""Archives whose tables of members are remembered."""

MAX_UNPACKED = 2
"""Archives whose bytes are kept in a file without a name: unpacked ones, or what came through a pipe."""


def identity(found: os.stat_result) -> tuple[int, int, int, int]:
    """What tells one version of a file from the next. Pipes have but their number."""
    if not stat.S_ISREG(found.st_mode):
        return found.st_dev, found.st_ino, -1, -1
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class Archive:
    """A tar whose members can be opened. It owns its descriptor until nobody refers to it.

    :param fd: belongs to it from now on.
    :param origin: the :func:`identity` of what was named.
    :param in_place: the descriptor is the named file itself, not a spooled copy.
    :param lasting: it came through a pipe, and cannot be had again.
    """

    def __init__(self, path: str, fd: int, table: Table, origin: tuple[int, int, int, int], *, in_place: bool,
                 lasting: bool) -> None:
        self.path = path
        self.origin = origin
        self.in_place = in_place
        self.lasting = lasting
        self.table = table
        self._fd = fd

    @property
    def holds_space(self) -> bool:
        """True where nothing but its descriptor keeps its bytes on the disk."""
        return os.fstat(self._fd).st_nlink == 0

    def open(self, name: str) -> Piece:
        """Open a member; links are followed within the archive.

        :raises NotFound: it is not there.
        :raises Unavailable: the file was changed since its table was read.
        """
        return self.at(self.table.find(name)[1])

    def at(self, place: Place) -> Piece:
        """Open the member at a place of the table."""
        if self.in_place and identity(os.fstat(self._fd)) != self.origin:
            raise Unavailable(f"{self.path} was changed while it was read", hint="try again")
        return Piece(duplicate(self._fd, self.path), place.start, place.size)

    def __del__(self) -> None:
        os.close(self._fd)


class Archives:
    """Opens archives, and remembers the last ones. Thread-safe."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._lock = allocate_lock()
        self._known: dict[str, Archive] = {}
        self._busy: set[str] = set()

    def get(self, path: str, cancel: Cancel) -> Archive:
        """The archive at a path; read anew where the file is another than before.

        :raises NotFound: nothing is there.
        :raises InvalidInput: it is no tar, or something that cannot be one.
        :raises Unavailable: it cannot be read.
        """
        while not self._claim(path):  # two that read one pipe would each get half of it
            cancel.wait_readable(timeout=0.02)
        try:
            return self._get(path, cancel)
        finally:
            with self._lock:
                self._busy.discard(path)

    def close(self) -> None:
        """Forget all of them. May be called twice."""
        with self._lock:
            self._known.clear()

    def _claim(self, path: str) -> bool:
        with self._lock:
            if path in self._busy:
                return False
            self._busy.add(path)
            return True

    def _get(self, path: str, cancel: Cancel) -> Archive:
        fd = open_source(path)
        try:
            found = os.fstat(fd)
            known = self._known.get(path)
            if known is not None and known.origin == identity(found):
                return known
            _check_kind(path, fd, found)
            archive = self._open(path, fd, found, cancel)
        finally:
            os.close(fd)
        self._remember(archive)
        return archive

    def _open(self, path: str, fd: int, found: os.stat_result, cancel: Cancel) -> Archive:
        regular = stat.S_ISREG(found.st_mode)
        try:
            in_place = regular and not packing(os.pread(fd, HEAD, 0))
        except OSError as error:
            refuse(error, path)
        if in_place:
            own = duplicate(fd, path)
        else:
            own = spooled(file_chunks(fd, path) if regular else pipe_chunks(fd, path, cancel), self._spool, path, cancel)
        try:
            table = read_table(own, os.fstat(own).st_size, path, cancel)
        except BaseException:
            os.close(own)
            raise
        return Archive(path, own, table, identity(found), in_place=in_place, lasting=not regular)

    def _remember(self, archive: Archive) -> None:
        with self._lock:
            self._known.pop(archive.path, None)
            self._known[archive.path] = archive
            passing = [path for path, known in self._known.items() if not known.lasting]
            unpacked = [path for path in passing if self._known[path].holds_space]
            for path in {*passing[:-MAX_ARCHIVES], *unpacked[:-MAX_UNPACKED]}:
                del self._known[path]


def _check_kind(path: str, fd: int, found: os.stat_result) -> None:
    kind = found.st_mode
    if stat.S_ISDIR(kind):
        raise InvalidInput(f"{path} is a folder, not an archive")
    if os.isatty(fd):
        raise InvalidInput(f"{path} is a terminal", hint="redirect it: < FILE")
    if stat.S_ISREG(kind):
        return
    if not stat.S_ISFIFO(kind) and not stat.S_ISSOCK(kind):
        raise InvalidInput(f"{path} is a device, neither a folder nor a file")
    if stream_number(path) is None:
        raise InvalidInput(f"{path} is a pipe, neither a folder nor a file", hint=f"give it as standard input: < {path}")

