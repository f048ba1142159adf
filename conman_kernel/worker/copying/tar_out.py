"""One entry, with all in it, as a tar: what ``cp CONTAINER:PATH -`` writes. Owners are those that things have.

Entries come in the order of their names' bytes, parents before children, a file's further names as links to its first. Data goes
from file to pipe within the kernel where it can.
"""

from __future__ import annotations

import errno
import os
import select
import stat

from ...cancel import Cancel
from .. import attributes
from ..archive import BLOCK_DEVICE, CHARACTER, FIFO, FOLDER, LINK, REGULAR, SYMLINK
from ..failure import Failed, explain, show
from ..header import BLOCK
from ..tar_header import END, entry_header
from ..tree import FOLDER_FLAGS
from .places import Found

_AT = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PIECE = 1 << 18
_AT_ONCE = 1 << 24
_KINDS = {stat.S_IFLNK: SYMLINK, stat.S_IFCHR: CHARACTER, stat.S_IFBLK: BLOCK_DEVICE, stat.S_IFIFO: FIFO}


class TarWriter:
    """Writes entries to a descriptor.

    :param out: a pipe, file or socket.
    :param hidden: see :class:`~.places.Side`.

    :ivar entries: how many were written; ``size``: bytes of the files among them; ``skipped``: sockets.
    """

    def __init__(self, out: int, *, hidden: frozenset[int], cancel: Cancel) -> None:
        self._out = out
        self._hidden = hidden
        self._cancel = cancel
        self._gathered = bytearray()
        self._links: dict[tuple[int, int], bytes] = {}
        self._sends = True
        self.entries = self.size = self.skipped = 0

    def run(self, source: Found) -> None:
        """Write what was found, and the end.

        :raises OSError: it cannot be read. :raises Failed: it cannot be written, or not be read once its header was.
        """
        if source.base:
            self._tree(source.folder, source.name, source.base, None)
        else:
            folder = os.open(source.name, FOLDER_FLAGS, dir_fd=source.folder)
            try:
                self._children(folder, b"")
            finally:
                os.close(folder)
        self._write(END)
        self._flush()

    def _children(self, folder: int, prefix: bytes) -> None:
        device = os.fstat(folder).st_dev
        for name in sorted(map(os.fsencode, os.listdir(folder))):
            self._tree(folder, name, prefix + name, device)

    def _tree(self, folder: int, name: bytes, path: bytes, device: int | None) -> None:
        """One entry and what lies in it, without recursion: a tree may be deeper than Python's stack."""
        levels: list[tuple[int, bytes, list[bytes], int]] = []
        try:
            self._entry(folder, name, path, device, levels)
            while levels:
                here, prefix, names, own = levels[-1]
                if names:
                    base = names.pop()
                    self._entry(here, base, prefix + b"/" + base, own, levels)
                else:
                    os.close(levels.pop()[0])
        finally:
            for level in levels:
                os.close(level[0])

    def _entry(self, folder: int, name: bytes, path: bytes, device: int | None,
               levels: list[tuple[int, bytes, list[bytes], int]]) -> None:
        self._cancel.check()
        try:
            at = os.open(name, _AT, dir_fd=folder)
        except FileNotFoundError:
            if device is None:
                raise
            return  # removed since it was listed
        try:
            state = os.fstat(at)
            known = self._links.get((state.st_dev, state.st_ino)) if state.st_nlink > 1 else None
            if stat.S_ISDIR(state.st_mode):
                self._header(path + b"/", FOLDER, state, at)
                if state.st_dev in self._hidden and device not in (None, state.st_dev):
                    return
                inner = os.open(".", FOLDER_FLAGS, dir_fd=at)
                levels.append((inner, path, sorted(map(os.fsencode, os.listdir(inner)), reverse=True), state.st_dev))
            elif known is not None:
                self._header(path, LINK, state, at, link=known)
            elif stat.S_ISREG(state.st_mode):
                self._file(at, path)
            else:
                self._node(at, path, state)
        finally:
            os.close(at)

    def _file(self, at: int, path: bytes) -> None:
        fd = os.open(b"/proc/self/fd/%d" % at, _READ)
        try:
            state = os.fstat(fd)
            if not state.st_size and state.st_dev in self._hidden:
                self._kernels_own(fd, path, state)
                return
            self._header(path, REGULAR, state, fd, size=state.st_size)
            self._remember(state, path)
            self.size += state.st_size
            try:
                self._data(fd, state.st_size)
            except OSError as error:  # its header is written: it cannot be left out any more
                raise _unread(error, path) from None
        finally:
            os.close(fd)

    def _kernels_own(self, fd: int, path: bytes, state: os.stat_result) -> None:
        """A file that says it is empty, and is not."""
        data = b""
        while piece := os.read(fd, _PIECE):
            data += piece
        self._header(path, REGULAR, state, fd, size=len(data))
        self._write(data + bytes(-len(data) % BLOCK))

    def _data(self, fd: int, size: int) -> None:
        """As many bytes as were announced, whatever becomes of the file meanwhile."""
        at = 0
        if size > _PIECE and self._sends:
            self._flush()
            at = self._sent(fd, size)
        os.lseek(fd, at, os.SEEK_SET)
        left = size - at
        while left and (data := os.read(fd, min(left, _PIECE))):
            self._cancel.check()
            self._write(data)
            left -= len(data)
        left += -size % BLOCK
        while left:
            zeros = bytes(min(left, _PIECE))
            self._write(zeros)
            left -= len(zeros)

    def _sent(self, fd: int, size: int) -> int:
        at = 0
        while at < size:
            self._cancel.check()
            try:
                count = os.sendfile(self._out, fd, at, min(size - at, _AT_ONCE))
            except BlockingIOError:
                self._room()
                continue
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ENOSYS):
                    raise _unwritten(error) from None
                self._sends = False
                return at
            if not count:
                return at
            at += count
        return at

    def _node(self, at: int, path: bytes, state: os.stat_result) -> None:
        kind = _KINDS.get(stat.S_IFMT(state.st_mode))
        if kind is None:
            self.skipped += 1
            return
        link = os.readlink(b"", dir_fd=at) if kind == SYMLINK else b""
        device = (os.major(state.st_rdev), os.minor(state.st_rdev)) if kind in (CHARACTER, BLOCK_DEVICE) else (0, 0)
        self._header(path, kind, state, at, link=link, device=device)
        self._remember(state, path)

    def _remember(self, state: os.stat_result, path: bytes) -> None:
        if state.st_nlink > 1:
            self._links.setdefault((state.st_dev, state.st_ino), path)

    def _header(self, name: bytes, kind: bytes, state: os.stat_result, fd: int, *, size: int = 0, link: bytes = b"",
                device: tuple[int, int] = (0, 0)) -> None:
        xattrs = {} if kind == LINK else attributes.read(b"/proc/self/fd/%d" % fd, follow=True)
        kept = {key: value for key, value in xattrs.items() if b"=" not in key}
        self.entries += 1
        self._write(entry_header(name, kind, mode=stat.S_IMODE(state.st_mode), uid=state.st_uid, gid=state.st_gid, size=size,
                                 mtime=state.st_mtime_ns, link=link, device=device, xattrs=kept))

    def _write(self, data: bytes) -> None:
        self._gathered += data
        if len(self._gathered) >= _PIECE:
            self._flush()

    def _flush(self) -> None:
        view = memoryview(bytes(self._gathered))
        self._gathered.clear()
        while view:
            try:
                view = view[os.write(self._out, view):]
            except BlockingIOError:
                self._room()
            except OSError as error:
                raise _unwritten(error) from None

    def _room(self) -> None:
        """O_NONBLOCK belongs to the open file, which may be shared with whoever made it so."""
        poll = select.poll()
        poll.register(self._out, select.POLLOUT)
        poll.poll()


def _unread(error: OSError, path: bytes) -> Failed:
    return Failed(f"reading {show(path)}: {os.strerror(error.errno or errno.EIO).lower()}")


def _unwritten(error: OSError) -> Failed:
    if error.errno == errno.EPIPE:
        return Failed("nobody reads the archive any more")
    return Failed(str(explain(error, "writing the archive")))
