"""Files beneath a folder, opened step by step: no link in the way is followed, no special file opened."""

from __future__ import annotations

import os
import stat

from ...errors import InvalidInput
from .standard import open_beneath
from .streams import Piece


class Folder:
    """A folder to read from. Symbolic links below it, and special files, are refused. It holds nothing open."""

    def __init__(self, path: str) -> None:
        self._path = path

    def open(self, *names: str) -> Piece:
        """Open a file by the names that lead to it, such as ``blobs``, ``sha256``, ``<hex>``.

        :raises NotFound: it is not there.
        :raises InvalidInput: it is a link or no regular file.
        """
        at = open_beneath(self._path, os.O_PATH | os.O_DIRECTORY, None, self._path)
        shown = self._path
        try:
            for name in names[:-1]:
                shown += "/" + name
                below = open_beneath(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, at, shown)
                os.close(at)
                at = below
            return open_file(at, names[-1], f"{shown}/{names[-1]}")
        finally:
            os.close(at)


def open_file(at: int, name: str, shown: str) -> Piece:
    """Open a regular file in a folder. Errors as in :meth:`Folder.open`."""
    # O_NONBLOCK: a FIFO in place of a blob must not make anybody wait.
    fd = open_beneath(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, at, shown)
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise InvalidInput(f"{shown} is no regular file")
    return Piece(fd, 0, found.st_size)
