"""Small work on folders: deletion, counting."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from conman_kernel.slots.storage import Usage

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def delete(path: str) -> None:
    """Delete a tree, whatever its depth, without following symlinks; what is gone meanwhile is no error."""
    parent = os.open(os.path.dirname(path), _OPEN)
    try:
        _delete(parent, os.path.basename(path))
    finally:
        os.close(parent)


def _delete(parent: int, top: str) -> None:
    """Goes down and up with one descriptor; ``..`` is safe, as nobody else moves folders in a discarded tree."""
    pending = [[top]]
    names: list[str] = []
    here = os.dup(parent)
    try:
        while pending:
            if pending[-1]:
                name = pending[-1][-1]
                inner = _empty(here, name)
                if inner is None:
                    pending[-1].pop()
                    continue
                fd = os.open(name, _OPEN, dir_fd=here)
                os.close(here)
                here = fd
                names.append(name)
                pending.append(inner)
                continue
            pending.pop()
            if names:
                fd = os.open("..", _OPEN, dir_fd=here)
                os.close(here)
                here = fd
                with suppress(FileNotFoundError):
                    os.rmdir(names.pop(), dir_fd=here)
                pending[-1].pop()
    except FileNotFoundError:
        if top in os.listdir(parent):
            raise
    finally:
        os.close(here)


def _empty(parent: int, name: str) -> list[str] | None:
    """Unlink what is no folder in the folder ``name``; returns the folders in it, None where ``name`` is gone."""
    try:
        fd = os.open(name, _OPEN, dir_fd=parent)
    except FileNotFoundError:
        return None
    try:
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for inner, is_folder in found:
            if not is_folder:
                with suppress(FileNotFoundError):
                    os.unlink(inner, dir_fd=fd)
        return [inner for inner, is_folder in found if is_folder]
    finally:
        os.close(fd)


def measure(path: str) -> Usage:
    """Bytes on disk and inodes of a tree, hard links once, not leaving the file system."""
    top = os.lstat(path)
    size, inodes, seen = top.st_blocks * 512, 1, set[int]()
    pending = [path]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    state = entry.stat(follow_symlinks=False)
                    if state.st_dev != top.st_dev or (state.st_nlink > 1 and state.st_ino in seen):
                        continue
                    if stat.S_ISDIR(state.st_mode):
                        pending.append(entry.path)
                    elif state.st_nlink > 1:
                        seen.add(state.st_ino)
                    size += state.st_blocks * 512
                    inodes += 1
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                raise
    return Usage(size, inodes)
