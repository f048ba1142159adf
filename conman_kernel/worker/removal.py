"""Remove a tree beneath a descriptor: any depth, two descriptors, never through a symlink or off the file system."""

from __future__ import annotations

import errno
import os
import stat

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Level:
    """A folder on the way down: its name in its parent, who it is, and the folders in it that are left to remove."""

    __slots__ = ("identity", "inner", "name")

    def __init__(self, name: str | bytes, identity: tuple[int, int], inner: list[str]) -> None:
        self.name = name
        self.identity = identity
        self.inner = inner


def remove_entry(parent: int, name: str | bytes) -> int:
    """Remove ``name`` in the folder ``parent`` with all in it; nothing there is no error.

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
                fd = os.open(inner, _OPEN, dir_fd=here)
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
            os.rmdir(level.name, dir_fd=here)
    finally:
        os.close(here)
    os.rmdir(name, dir_fd=parent)


def _empty(fd: int) -> list[str]:
    """Unlink what is no folder; returns the names of the folders."""
    folders = []
    with os.scandir(fd) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        if is_folder:
            folders.append(name)
        else:
            os.unlink(name, dir_fd=fd)
    return folders
