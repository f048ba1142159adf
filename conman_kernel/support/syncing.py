"""Wait until what was written is on the disk."""

from __future__ import annotations

import os

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def sync_file_system(folder: str) -> None:
    """Wait until everything on the file system that holds ``folder`` is on the disk: syncfs(2).

    :raises OSError: something could not be written.
    """
    import ctypes

    fd = os.open(folder, _FOLDER)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(fd):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)


def sync_folder(folder: str) -> None:
    """Wait until the names in ``folder`` are on the disk, as after a rename in it.

    :raises OSError: they could not be written.
    """
    fd = os.open(folder, _FOLDER)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
