"""Delete the subvolumes beneath a folder: ours, and those that processes of a container made in it (anybody may)."""

from __future__ import annotations

import errno
import os

from . import ioctls

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Level:
    """A folder on the way down.

    :ivar name: in its parent; ``identity`` who it is.
    :ivar inner: the folders in it that are left to look at.
    :ivar doomed: it is a subvolume, to be deleted once those in it are.
    """

    __slots__ = ("doomed", "identity", "inner", "name")

    def __init__(self, name: str, fd: int, *, doomed: bool) -> None:
        state = os.fstat(fd)
        self.name = name
        self.doomed = doomed
        self.identity = (state.st_dev, state.st_ino)
        self.inner: list[str] = []


def remove_subvolumes(folder: str) -> None:
    """Delete every subvolume beneath ``folder``, at any depth and in one another; nothing there is no error.

    A subvolume with none in it goes in one step. Only where others lie in it are its folders looked through, with few
    descriptors at any depth. Several processes may do this for one folder at the same time.

    :raises OSError: the system refuses.
    """
    try:
        here = os.open(folder, _OPEN)
    except FileNotFoundError:
        return
    try:
        levels = [_Level("", here, doomed=False)]
        levels[0].inner = _inner(here)
        while levels:
            level = levels[-1]
            if level.inner:
                below = _enter(here, level.inner.pop())
                if below is not None:
                    fd, entered = below
                    os.close(here)
                    here = fd
                    levels.append(entered)
                continue
            levels.pop()
            if levels:
                here = _leave(here, levels[-1])
                if level.doomed:
                    _destroy(here, level.name)
    finally:
        os.close(here)


def _enter(here: int, name: str) -> tuple[int, _Level] | None:
    """Go into a folder; None where it is gone, with or without our doing."""
    try:
        subvolume = ioctls.is_subvolume(os.stat(name, dir_fd=here, follow_symlinks=False))
        if subvolume and _destroy(here, name):
            return None
        fd = os.open(name, _OPEN, dir_fd=here)
    except FileNotFoundError:
        return None
    try:
        level = _Level(name, fd, doomed=subvolume)
        level.inner = _inner(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd, level


def _leave(here: int, above: _Level) -> int:
    fd = os.open("..", _OPEN, dir_fd=here)
    os.close(here)
    state = os.fstat(fd)
    if (state.st_dev, state.st_ino) != above.identity:
        os.close(fd)
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
    return fd


def _destroy(parent: int, name: str) -> bool:
    """Delete one subvolume; False where others lie in it."""
    try:
        ioctls.destroy(parent, name)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            return False
        raise
    return True


def _inner(fd: int) -> list[str]:
    with os.scandir(fd) as entries:
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
