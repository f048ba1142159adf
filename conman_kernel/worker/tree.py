"""Two trees beneath two descriptors, side by side: what is added, changed and deleted, parents before children.

*Same* is decided as other engines do, from the file's description: type, mode, owner, number of links, device, target,
attributes, size and mtime (folders: not their size). Times that lack nanoseconds may have been set by a program or by an
archive, so files that agree in everything else are then read and compared. A file that was changed with its size and its
full time kept is taken for the same.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Iterator

from . import attributes
from .failure import Refused, show

FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: O_NONBLOCK: what became a FIFO since it was looked at is not to be waited for
FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: what a running program may do to an entry between two looks (EINVAL: the link that is read is none any more)
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE, errno.EINVAL)
ADDED, CHANGED, DELETED = "A", "C", "D"
_MAX_PATH = 4095
_BLOCK = 1 << 18


class Difference:
    """One. ``folder`` is the open folder it lies in and ``base`` its name there; ``own`` is its descriptor where it is a folder
    itself, else -1; ``state`` is None where it is deleted. ``opaque``: a folder that hides what lies below it.
    Descriptors are good until the next step."""

    __slots__ = ("base", "folder", "kind", "opaque", "own", "path", "state")

    def __init__(self, kind: str, path: bytes, state: os.stat_result | None, folder: int, base: bytes, own: int = -1, *,
                 opaque: bool = False) -> None:
        self.kind = kind
        self.path = path
        self.state = state
        self.folder = folder
        self.base = base
        self.own = own
        self.opaque = opaque


class _Level:
    """A folder on the way down. ``whole``: the upper side shows everything there is. ``told``: it was yielded."""

    __slots__ = ("difference", "lower", "names", "path", "told", "upper", "whole")

    def __init__(self, path: bytes, upper: int, lower: int, *, whole: bool, difference: Difference | None) -> None:
        self.path = path
        self.upper = upper
        self.lower = lower
        self.whole = whole
        self.difference = difference
        self.told = difference is None
        names = set(os.listdir(upper))
        if whole and lower >= 0:
            names.update(os.listdir(lower))
        self.names = iter(sorted(os.fsencode(name) for name in names))

    def close(self) -> None:
        for fd in (self.upper, self.lower):
            if fd >= 0:
                os.close(fd)


class Trees:
    """The comparison of two trees.

    :param lower: None: everything is added.
    :param overlay: ``upper`` is one layer of overlayfs on top of ``lower``; otherwise it is a whole tree.
    :param layer: what no layer can hold (sockets, devices 0/0) counts as absent; an opaque folder is told as such, with all in
        it as added; folders on the way to a difference are told too. Otherwise everything is told as it is to be seen, an
        opaque folder by what it lacks; a folder that is the same is told only where something in it is new or gone.
    :param exclude: see :class:`~.jobs.PackRequest`.
    :param exact: nothing is taken on trust and nothing counts as absent: files of one size and time are read and compared,
        sockets and devices 0/0 of a whole tree are told.
    """

    def __init__(self, upper: int, lower: int | None, *, overlay: bool, layer: bool, exclude: tuple[str, ...],
                 exact: bool = False) -> None:
        self._root = upper, -1 if lower is None else lower
        self._overlay = overlay and lower is not None
        self._layer = layer
        self._exact = exact
        raw = [os.fsencode(path) for path in exclude]
        self._hidden = {path.strip(b"/") for path in raw if not path.endswith(b"/")}
        self._folders_hidden = {path.strip(b"/") for path in raw if path.endswith(b"/")}
        self._torn: frozenset[tuple[int, int]] = frozenset()
        self.skipped = 0

    def differences(self) -> Iterator[Difference]:
        """Every difference; the root itself is none.

        :raises Refused: a path is longer than any layer may hold.
        """
        upper, lower = self._root
        if self._layer and not self._overlay and lower >= 0:
            from .links import torn

            self._torn = torn(upper, lower)
        below = -1 if lower < 0 else os.open(".", FOLDER_FLAGS, dir_fd=lower)
        first = _Level(b"", os.open(".", FOLDER_FLAGS, dir_fd=upper), below, whole=not self._overlay, difference=None)
        levels = [first]
        try:
            while levels:
                level = levels[-1]
                base = next(level.names, None)
                if base is None:
                    levels.pop().close()
                    continue
                path = level.path + b"/" + base if level.path else base
                if path in self._hidden:
                    continue
                if len(path) > _MAX_PATH:
                    raise Refused(f"{show(path)} is longer than {_MAX_PATH} bytes: no layer can hold it")
                found = self._step(level, base, path)
                if found is None:
                    continue
                difference, inner = found
                if inner is not None:
                    levels.append(inner)
                if difference is not None:
                    yield from self._told(levels, difference)
        finally:
            for level in levels:
                level.close()

    def _step(self, level: _Level, base: bytes, path: bytes) -> tuple[Difference | None, _Level | None] | None:
        """What one name is: a difference or none, and the folder to go into or none."""
        upper, lower = state_of(level.upper, base), state_of(level.lower, base)
        if upper is not None and attributes.is_whiteout(upper) and not level.whole:
            return self._deleted(level, base, path, lower)
        if upper is not None and self._layer and self._absent(upper):
            self.skipped += stat.S_ISSOCK(upper.st_mode)
            upper = None
        if upper is None:
            return self._deleted(level, base, path, lower) if lower is not None else None
        kind = ADDED if lower is None else CHANGED
        if stat.S_ISDIR(upper.st_mode):
            return self._folder(level, base, path, upper, lower)
        if lower is not None and level.whole and (upper.st_dev, upper.st_ino) not in self._torn \
                and not _differs(level, base, upper, lower, exact=self._exact):
            return None
        return Difference(kind, path, upper, level.upper, base), None

    def _absent(self, upper: os.stat_result) -> bool:
        if self._exact:
            return self._overlay and attributes.is_whiteout(upper)
        return attributes.is_whiteout(upper) or stat.S_ISSOCK(upper.st_mode)

    def _told(self, levels: list[_Level], difference: Difference) -> Iterator[Difference]:
        """The difference, and before it the folders on the way that have to be told because of it."""
        inside = len(levels) - (difference.own >= 0)
        first = 0 if self._layer else inside - 1 if difference.kind != CHANGED else inside
        for level in levels[max(0, first):]:
            if not level.told:
                level.told = True
                assert level.difference is not None
                yield level.difference
        if difference.own < 0:
            yield difference

    def _deleted(self, level: _Level, base: bytes, path: bytes,
                 lower: os.stat_result | None) -> tuple[Difference | None, _Level | None] | None:
        if lower is None and not self._layer:
            return None
        return Difference(DELETED, path, None, level.upper, base), None

    def _folder(self, level: _Level, base: bytes, path: bytes, upper: os.stat_result,
                lower: os.stat_result | None) -> tuple[Difference | None, _Level | None] | None:
        own = open_folder(level.upper, base)
        if own < 0:
            return None
        below = open_folder(level.lower, base) if lower is not None and stat.S_ISDIR(lower.st_mode) else -1
        try:
            whole, opaque = level.whole, False
            if below >= 0 and not whole and attributes.is_opaque(own):
                whole, opaque = True, self._layer
            difference = Difference(ADDED if lower is None else CHANGED, path, upper, level.upper, base, own, opaque=opaque)
            changed = below < 0 or lower is None or opaque or described(upper) != described(lower) \
                or attributes.read(own) != attributes.read(below)
            if opaque:
                os.close(below)
                below = -1
            inner = _Level(path, own, below, whole=whole or below < 0, difference=difference)
        except BaseException:
            for fd in {own, below} - {-1}:
                os.close(fd)
            raise
        if path in self._folders_hidden:
            inner.told = not self._layer  # a layer describes the folders that it writes into
            return None, inner
        return difference if changed else None, inner


def state_of(folder: int, base: bytes) -> os.stat_result | None:
    """None where it is gone, or where there is no folder (-1)."""
    if folder < 0:
        return None
    try:
        return os.stat(base, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None


def open_folder(folder: int, base: bytes) -> int:
    """-1 where it is gone, or no folder any more, or where there is no folder to look in (-1)."""
    if folder < 0:
        return -1
    try:
        return os.open(base, FOLDER_FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return -1


def described(state: os.stat_result) -> tuple[int, ...]:
    """What two entries that are the same agree in, as far as stat(2) tells."""
    common = state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns
    if stat.S_ISDIR(state.st_mode):
        return common
    rdev = state.st_rdev if stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode) else 0
    return (*common, state.st_size, state.st_nlink, rdev)


def _differs(level: _Level, base: bytes, upper: os.stat_result, lower: os.stat_result, *, exact: bool) -> bool:
    if described(upper) != described(lower):
        return True
    if (upper.st_dev, upper.st_ino, upper.st_ctime_ns) == (lower.st_dev, lower.st_ino, lower.st_ctime_ns):
        return False
    one, other = attributes.inside(level.upper, base), attributes.inside(level.lower, base)
    if attributes.read(one) != attributes.read(other):
        return True
    try:
        if stat.S_ISLNK(upper.st_mode):
            return os.readlink(one) != os.readlink(other)
        if stat.S_ISREG(upper.st_mode) and upper.st_size and (exact or upper.st_mtime_ns % 1_000_000_000 == 0):
            return _reads_otherwise(level, base)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return True
    return False


def _reads_otherwise(level: _Level, base: bytes) -> bool:
    one = os.open(base, FILE_FLAGS, dir_fd=level.upper)
    try:
        other = os.open(base, FILE_FLAGS, dir_fd=level.lower)
        try:
            while True:
                left, right = os.read(one, _BLOCK), os.read(other, _BLOCK)
                if left != right:
                    return True
                if not left:
                    return False
        finally:
            os.close(other)
    finally:
        os.close(one)
