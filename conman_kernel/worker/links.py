"""Hard links that a layer would tear apart: those of which not every name is the same as below.

A layer can link only to what it holds itself. Where a file has a new name, and its other names are the same as they were, all of
them have to be written, or the new one would become a copy.
"""

from __future__ import annotations

import os
import stat

from .tree import FOLDER_FLAGS, described, open_folder, state_of

Inode = tuple[int, int]
_TORN: Inode = (-1, -1)


def torn(upper: int, lower: int) -> frozenset[Inode]:
    """Compare the links of two whole trees.

    :returns: device and inode of every file of ``upper`` whose names are not those that one file has in ``lower``. Memory is
        taken for each file with several names.
    """
    below: dict[Inode, Inode] = {}
    here, there = os.open(".", FOLDER_FLAGS, dir_fd=upper), os.open(".", FOLDER_FLAGS, dir_fd=lower)
    levels = [(here, there, iter(os.listdir(here)))]
    try:
        while levels:
            here, there, names = levels[-1]
            name = next(names, None)
            if name is None:
                levels.pop()
                _close(here, there)
                continue
            base = os.fsencode(name)
            inner = _look(here, there, base, below)
            if inner >= 0:
                levels.append((inner, open_folder(there, base), iter(os.listdir(inner))))
    finally:
        for here, there, _ in levels:
            _close(here, there)
    return frozenset(inode for inode, other in below.items() if other == _TORN)


def _look(here: int, there: int, base: bytes, below: dict[Inode, Inode]) -> int:
    """Note a file with several names; a folder is returned open, -1 for anything else."""
    upper = state_of(here, base)
    if upper is None:
        return -1
    if stat.S_ISDIR(upper.st_mode):
        return open_folder(here, base)
    if upper.st_nlink > 1:
        lower = state_of(there, base)
        same = lower is not None and described(upper) == described(lower)
        other = (lower.st_dev, lower.st_ino) if lower is not None and same else _TORN
        mine = (upper.st_dev, upper.st_ino)
        if below.setdefault(mine, other) != other:
            below[mine] = _TORN
    return -1


def _close(*fds: int) -> None:
    for fd in fds:
        if fd >= 0:
            os.close(fd)
