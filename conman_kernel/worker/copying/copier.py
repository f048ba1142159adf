"""Copies files and folders into a folder where nobody else's entries are: data, holes, hard links, owners, modes, times, extended
attributes. Nothing in the source is believed twice: what was looked at may have become anything by the time it is opened.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Iterator

from ...cancel import Cancel
from ...support.copying import copy_data
from .. import attributes
from ..failure import Refused
from ..tree import FOLDER_FLAGS
from .described import Owner, described, owned, with_attributes

_AT = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SMALL = 1 << 17

Names = tuple[bytes, ...]
"""Where an entry lies below a folder: the name of each folder on the way, then its own."""


class _Level:
    """A folder that is being copied: both sides open, and the names that are left."""

    __slots__ = ("depth", "names", "source", "state", "target")

    def __init__(self, source: int, target: int, state: os.stat_result, depth: int) -> None:
        self.source = source
        self.target = target
        self.state = state
        self.depth = depth
        self.names: Iterator[str] = iter(os.listdir(source))

    def close(self) -> None:
        os.close(self.source)
        os.close(self.target)


class Copier:
    """Copies entries.

    :param owner: whose everything becomes; None: everybody keeps what is theirs.
    :param devices: device nodes are copied; else they are passed over, as sockets always are.
    :param hidden: see :class:`~.places.Side`: such a folder is copied as an empty one.
    :param never: device and inode of a folder that must not be met: it is the target's own.
    :param cancel: asked at every entry and every 64 MiB.

    :ivar entries: how many were copied; ``size``: bytes of the files among them; ``skipped``: sockets and devices that were not.
    """

    def __init__(self, owner: Owner, *, devices: bool, hidden: frozenset[int], never: tuple[int, int], cancel: Cancel) -> None:
        self._owner = owner
        self._devices = devices
        self._hidden = hidden
        self._never = never
        self._cancel = cancel
        self._clone = True
        self._links: dict[tuple[int, int], Names] = {}
        self._way: list[bytes] = []
        self._top = -1
        self._creator = os.geteuid(), os.getegid()
        self.entries = self.size = self.skipped = 0

    def copy(self, folder: int, name: bytes, target: int, new: bytes) -> None:
        """Copy one entry, with all in it.

        :param folder: the open folder it lies in; ``name`` may be ``b"."``.
        :param target: the open folder that gets it, as ``new``. Always the same one, for hard links among what is copied.
        :raises OSError: whatever the system says. :raises Refused: see :class:`Copier`.
        :raises Cancelled, DeadlineExceeded: by the token. What was written stays.
        """
        self._copy(folder, name, target, new, None)

    def contents(self, folder: int, target: int) -> None:
        """Copy what lies in a folder into another. Parameters and errors as :meth:`copy`; both are open for reading."""
        device = os.fstat(folder).st_dev
        for base in os.listdir(folder):
            raw = os.fsencode(base)
            self._copy(folder, raw, target, raw, device)

    def _copy(self, folder: int, name: bytes, target: int, new: bytes, device: int | None) -> None:
        """``device``: of the folder that the entry was listed in, where it was."""
        self._top, self._way = target, []
        levels: list[_Level] = []
        try:
            self._entry(folder, name, target, new, device, levels)
            while levels:
                level = levels[-1]
                base = next(level.names, None)
                if base is not None:
                    raw = os.fsencode(base)
                    self._entry(level.source, raw, level.target, raw, level.state.st_dev, levels)
                    continue
                levels.pop()
                self._way = self._way[:level.depth]
                try:
                    described(level.source, level.target, level.state, self._owner)
                finally:
                    level.close()
        finally:
            for level in levels:
                level.close()

    def _entry(self, folder: int, name: bytes, target: int, new: bytes, device: int | None, levels: list[_Level]) -> None:
        self._cancel.check()
        try:
            # Not opened before it is known: opening a device or a FIFO already has effects, and a link would be followed.
            at = os.open(name, _AT, dir_fd=folder)
        except FileNotFoundError:
            if device is None:
                raise
            return  # removed since it was listed
        try:
            state = os.fstat(at)
            kind = stat.S_IFMT(state.st_mode)
            if kind == stat.S_IFDIR:
                self._folder(at, state, target, new, device, levels)
                return
            if state.st_nlink > 1 and self._linked(state, target, new):
                return
            if kind == stat.S_IFREG:
                self._file(at, state, target, new)
            elif kind == stat.S_IFSOCK or (kind in (stat.S_IFCHR, stat.S_IFBLK) and not self._devices):
                self.skipped += 1
                return
            else:
                self._node(at, state, target, new)
            self.entries += 1
            if state.st_nlink > 1:
                self._links[(state.st_dev, state.st_ino)] = (*self._way, new)
        finally:
            os.close(at)

    def _folder(self, at: int, state: os.stat_result, target: int, new: bytes, device: int | None,
                levels: list[_Level]) -> None:
        if (state.st_dev, state.st_ino) == self._never:
            raise Refused("cannot copy a folder into itself")
        os.mkdir(new, 0o700, dir_fd=target)
        self.entries += 1
        made = os.open(new, FOLDER_FLAGS, dir_fd=target)
        try:
            source = os.open(".", FOLDER_FLAGS, dir_fd=at)
            try:
                if state.st_dev in self._hidden and device not in (None, state.st_dev):
                    described(source, made, state, self._owner)
                else:
                    depth = len(self._way)
                    levels.append(_Level(source, made, state, depth))
                    self._way.append(new)
                    source = made = -1
            finally:
                if source >= 0:
                    os.close(source)
        finally:
            if made >= 0:
                os.close(made)

    def _file(self, at: int, state: os.stat_result, target: int, new: bytes) -> None:
        source = os.open(b"/proc/self/fd/%d" % at, _READ)
        try:
            mode, uid, gid = owned(state, self._owner)
            made = os.open(new, _CREATE, mode & 0o1777, dir_fd=target)
            try:
                self._data(source, made, state)
                if (uid, gid) != self._creator:
                    os.fchown(made, uid, gid)
                if mode & 0o6000:
                    os.fchmod(made, mode)
                if os.listxattr(source):
                    with_attributes(source, made, same_owner=uid == state.st_uid)
                os.utime(made, ns=(state.st_mtime_ns, state.st_mtime_ns))
            finally:
                os.close(made)
        finally:
            os.close(source)

    def _data(self, source: int, target: int, state: os.stat_result) -> None:
        if state.st_size > _SMALL:
            self._clone = copy_data(source, target, state, self._cancel, clone=self._clone)
            self.size += state.st_size
            return
        if not state.st_size and state.st_dev not in self._hidden:
            return
        count = 0
        # Files of the kernel's own say that they are empty, and are not.
        while data := os.read(source, _SMALL):
            count += len(data)
            while data:
                data = data[os.write(target, data):]
            if count == state.st_size:
                break
        self.size += count

    def _node(self, at: int, state: os.stat_result, target: int, new: bytes) -> None:
        mode, uid, gid = owned(state, self._owner)
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(b"", dir_fd=at), new, dir_fd=target)
        else:
            os.mknod(new, mode, state.st_rdev, dir_fd=target)
        if (uid, gid) != self._creator:
            os.chown(new, uid, gid, dir_fd=target, follow_symlinks=False)
        with_attributes(b"/proc/self/fd/%d" % at, attributes.inside(target, new), same_owner=uid == state.st_uid)
        os.utime(new, ns=(state.st_mtime_ns, state.st_mtime_ns), dir_fd=target, follow_symlinks=False)

    def _linked(self, state: os.stat_result, target: int, new: bytes) -> bool:
        """Make it a link to the name under which the file was copied already, where it was."""
        known = self._links.get((state.st_dev, state.st_ino))
        if known is None:
            return False
        folder = self._top
        try:
            for name in known[:-1]:
                inner = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
                if folder != self._top:
                    os.close(folder)
                folder = inner
            os.link(known[-1], new, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EMLINK, errno.EXDEV):
                raise
            return False  # a copy of its own then
        finally:
            if folder != self._top:
                os.close(folder)
        self.entries += 1
        return True
