"""Trees of folders: remove one, count one. Any depth, few descriptors, never through a symlink or off the file system."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False  # typing costs its import, and the unpack worker pays for nothing else

if TYPE_CHECKING:
    from ..slots.storage import Usage

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN = _FOLDER | os.O_NOFOLLOW
_GONE = (errno.ENOENT, errno.ENOTDIR)
_AT_ONCE = 1000


class _Level:
    """A folder on the way down: its name in its parent, who it is, and the folders in it that are left to remove."""

    __slots__ = ("identity", "inner", "name")

    def __init__(self, name: str | bytes, identity: tuple[int, int], inner: list[str]) -> None:
        self.name = name
        self.identity = identity
        self.inner = inner


def remove(path: str) -> None:
    """Remove what lies at ``path`` with all in it; nothing there is no error. See :func:`remove_entry`."""
    try:
        parent = os.open(os.path.dirname(path) or ".", _FOLDER)
    except FileNotFoundError:
        return
    try:
        remove_entry(parent, os.path.basename(path))
    finally:
        os.close(parent)


def remove_entry(parent: int, name: str | bytes) -> int:
    """Remove ``name`` in the folder ``parent`` (a descriptor) with all in it; nothing there is no error.

    Several processes and threads may remove one tree at the same time; nobody may move folders in it meanwhile.

    :returns: the type that was removed, as of :func:`stat.S_IFMT`; 0 where there was nothing.
    :raises OSError: EXDEV where another file system is mounted beneath; whatever the system says otherwise.
    """
    try:
        state = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(state.st_mode):
            os.unlink(name, dir_fd=parent)
            return stat.S_IFMT(state.st_mode)
        _remove_folder(parent, name, state.st_dev)
    except FileNotFoundError:
        return 0
    return stat.S_IFDIR


def _identity(fd: int) -> tuple[int, int]:
    state = os.fstat(fd)
    return state.st_dev, state.st_ino


def _remove_folder(parent: int, name: str | bytes, device: int) -> None:
    here = os.open(name, _OPEN, dir_fd=parent)
    try:
        levels = [_Level(name, _identity(here), _empty(here))]
        while True:
            level = levels[-1]
            if level.inner:
                inner = level.inner.pop()
                try:
                    fd = os.open(inner, _OPEN, dir_fd=here)
                except FileNotFoundError:
                    continue
                os.close(here)
                here = fd
                identity = _identity(here)
                if identity[0] != device:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
                levels.append(_Level(inner, identity, _empty(here)))
                continue
            levels.pop()
            if not levels:
                break
            fd = os.open("..", _OPEN, dir_fd=here)
            os.close(here)
            here = fd
            if _identity(here) != levels[-1].identity:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            _rmdir(level.name, here)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=parent)


def _rmdir(name: str | bytes, parent: int) -> None:
    try:
        os.rmdir(name, dir_fd=parent)
    except FileNotFoundError:
        return  # somebody else removes the same tree


def _empty(fd: int) -> list[str]:
    """Unlink what is no folder; returns the names of the folders."""
    folders = []
    with os.scandir(fd) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        if is_folder:
            folders.append(name)
            continue
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            continue
    return folders


def usage(path: str) -> Usage:
    """Bytes on disk and inodes of a tree, itself included; hard links once, other file systems not at all.

    The tree may be in use: what vanishes meanwhile is not counted.

    :raises OSError: ``path`` is no folder, or whatever the system says.
    """
    from ..slots.storage import Usage

    root = os.open(path, _FOLDER)
    try:
        top = os.fstat(root)
        size, inodes, seen = top.st_blocks * 512, 1, set[int]()
        pending = [""]
        while pending:
            folder = pending.pop()
            for name, state in _states(root, folder):
                if state.st_dev != top.st_dev or state.st_ino in seen:
                    continue
                if stat.S_ISDIR(state.st_mode):
                    pending.append(f"{folder}/{name}" if folder else name)
                elif state.st_nlink > 1:
                    seen.add(state.st_ino)
                size += state.st_blocks * 512
                inodes += 1
    finally:
        os.close(root)
    return Usage(size, inodes)


def _states(root: int, folder: str) -> list[tuple[str, os.stat_result]]:
    """The entries of a folder beneath ``root``; none where it is gone."""
    try:
        fd = _descend(root, folder)
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return []
    found = []
    try:
        for name in os.listdir(fd):
            try:
                found.append((name, os.stat(name, dir_fd=fd, follow_symlinks=False)))
            except FileNotFoundError:
                continue
    finally:
        os.close(fd)
    return found


def _descend(root: int, path: str) -> int:
    """Open a folder beneath ``root``, in several steps where its path is longer than the system takes."""
    here = os.open(".", _OPEN, dir_fd=root)
    while path:
        cut = len(path) if len(path) < _AT_ONCE else path.rfind("/", 0, _AT_ONCE)
        step, path = path[:cut], path[cut + 1:]
        try:
            fd = os.open(step, _OPEN, dir_fd=here)
        finally:
            os.close(here)
        here = fd
    return here
