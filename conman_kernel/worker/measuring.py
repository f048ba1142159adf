"""What a tree takes on the disk."""

from __future__ import annotations

import os
import stat

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def measure(root: int) -> tuple[int, int]:
    """Bytes on disk and inodes beneath (and of) the folder ``root``; hard links once, other file systems not at all."""
    top = os.fstat(root)
    size, inodes, seen = top.st_blocks * 512, 1, set[int]()
    pending = [""]
    while pending:
        path = pending.pop()
        fd = os.open(path or ".", _OPEN, dir_fd=root)
        try:
            for name in os.listdir(fd):
                state = os.stat(name, dir_fd=fd, follow_symlinks=False)
                if state.st_dev != top.st_dev or state.st_ino in seen:
                    continue
                if stat.S_ISDIR(state.st_mode):
                    pending.append(f"{path}/{name}" if path else name)
                elif state.st_nlink > 1:
                    seen.add(state.st_ino)
                size += state.st_blocks * 512
                inodes += 1
        finally:
            os.close(fd)
    return size, inodes
