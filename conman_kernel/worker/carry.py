"""What tells one tree from the one below it, written onto a third: a container's or a layer's changes, from driver to driver.

The third is a mounted, writable copy of the tree below, made by another driver. Nothing goes through an archive, so whatever a
file system can hold comes along: sockets, device numbers, names that a layer reserves. An entry that changed is made anew and
never written in place: its other names may be somebody's who did not change.
"""

from __future__ import annotations

import os
import stat

from ..cancel import Cancel
from ..support.copying import copy_file
from ..support.trees import remove_entry
from . import attributes
from .failure import explain, show
from .tree import DELETED, FILE_FLAGS, FOLDER_FLAGS, Difference, Trees, open_folder


class Carrier:
    """Writes one tree's differences.

    :param target: descriptor of the root of what is written to.
    """

    def __init__(self, target: int, trees: Trees) -> None:
        self._target = target
        self._trees = trees
        self._names: dict[tuple[int, int], bytes] = {}
        self._times: dict[bytes, int] = {}
        self._open: list[tuple[bytes, int]] = []
        self._never = Cancel()
        self._clone = True
        self.entries = 0

    def run(self, upper: int) -> None:
        """Write every difference, then the root's own description, at last the times of all folders that were gone through.

        :raises Refused: a path that is too long. :raises Failed: something cannot be read or written.
        """
        try:
            for difference in self._trees.differences():
                try:
                    self._difference(difference)
                except OSError as error:
                    raise explain(error, f"carrying {show(difference.path)}") from None
                self.entries += 1
        finally:
            self._leave(0)
        try:
            self._describe(upper, self._target, os.fstat(upper))
            for path in sorted(self._times, reverse=True):
                os.utime(path, ns=(self._times[path],) * 2, dir_fd=self._target, follow_symlinks=False)
            os.utime(self._target, ns=(os.fstat(upper).st_mtime_ns,) * 2)
        except OSError as error:
            raise explain(error, "carrying the attributes of folders") from None

    def _difference(self, difference: Difference) -> None:
        where, _, base = difference.path.rpartition(b"/")
        parent = self._enter(where)
        if difference.kind == DELETED:
            remove_entry(parent, base)
            return
        assert difference.state is not None
        if difference.own >= 0:
            self._folder(difference, parent, base)
            return
        remove_entry(parent, base)
        state, inode = difference.state, (difference.state.st_dev, difference.state.st_ino)
        known = self._names.get(inode) if state.st_nlink > 1 else None
        if known is not None:
            os.link(known, base, src_dir_fd=self._target, dst_dir_fd=parent, follow_symlinks=False)
            return
        if stat.S_ISREG(state.st_mode):
            self._file(difference, parent, base)
        else:
            self._node(difference, state, parent, base)
        if state.st_nlink > 1:
            self._names[inode] = difference.path

    def _folder(self, difference: Difference, parent: int, base: bytes) -> None:
        own = open_folder(parent, base)
        if own >= 0 and difference.opaque:
            os.close(own)
            own = -1
        if own < 0:
            remove_entry(parent, base)
            os.mkdir(base, 0o700, dir_fd=parent)
            own = os.open(base, FOLDER_FLAGS, dir_fd=parent)
        self._open.append((difference.path, own))
        state = os.fstat(difference.own)
        self._describe(difference.own, own, state)
        self._times[difference.path] = state.st_mtime_ns

    def _file(self, difference: Difference, parent: int, base: bytes) -> None:
        source = os.open(difference.base, FILE_FLAGS, dir_fd=difference.folder)
        try:
            self._clone = copy_file(source, base, parent, self._describe, self._never, clone=self._clone)
        finally:
            os.close(source)

    def _node(self, difference: Difference, state: os.stat_result, parent: int, base: bytes) -> None:
        if stat.S_ISLNK(state.st_mode):
            os.symlink(os.readlink(difference.base, dir_fd=difference.folder), base, dir_fd=parent)
        else:
            os.mknod(base, state.st_mode, state.st_rdev, dir_fd=parent)
        os.chown(base, state.st_uid, state.st_gid, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISLNK(state.st_mode):
            os.chmod(base, stat.S_IMODE(state.st_mode), dir_fd=parent)
        new = attributes.inside(parent, base)
        for name, value in attributes.read(attributes.inside(difference.folder, difference.base)).items():
            os.setxattr(new, name, value, follow_symlinks=False)
        os.utime(base, ns=(state.st_mtime_ns, state.st_mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _describe(self, source: int, target: int, state: os.stat_result) -> None:
        """Owner, attributes and mode; in this order, as a change of the owner takes the others away."""
        os.fchown(target, state.st_uid, state.st_gid)
        wanted, there = attributes.read(source), attributes.read(target)
        for name in there.keys() - wanted.keys():
            os.removexattr(target, name)
        for name, value in wanted.items():
            if there.get(name) != value:
                os.setxattr(target, name, value)
        os.fchmod(target, stat.S_IMODE(state.st_mode))

    def _enter(self, path: bytes) -> int:
        """The open folder of the target at ``path``: the last that was told, or one above it."""
        while self._open and self._open[-1][0] != path and not path.startswith(self._open[-1][0] + b"/"):
            self._leave(len(self._open) - 1)
        if not path:
            return self._target
        assert self._open and self._open[-1][0] == path, "folders are told before what lies in them"
        return self._open[-1][1]

    def _leave(self, count: int) -> None:
        while len(self._open) > count:
            os.close(self._open.pop()[1])
