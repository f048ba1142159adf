"""A descriptor that becomes readable when a file is written to or moved away (inotify(7))."""

from __future__ import annotations

import ctypes
import os

from ..errors import Unavailable

IN_MODIFY = 0x2
IN_MOVE_SELF = 0x800
IN_DELETE_SELF = 0x400
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_FOLDER = IN_MODIFY | IN_MOVED_TO | IN_CREATE
"""For a folder: one of its files is written to, or comes to be there. A file that is removed while it is open still counts."""


class Watch:
    """Watches one file, or the files of a folder. Close it.

    :param path: it must exist.
    :param events: what is to be seen, of inotify(7).
    :raises Unavailable: the host allows no (more) watches.
    """

    def __init__(self, path: str, events: int = IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise Unavailable(f"cannot watch {path}: {os.strerror(ctypes.get_errno())}",
                              hint="raise fs.inotify.max_user_instances")
        if libc.inotify_add_watch(self._fd, os.fsencode(path), events) < 0:
            error = ctypes.get_errno()
            self.close()
            raise Unavailable(f"cannot watch {path}: {os.strerror(error)}", hint="raise fs.inotify.max_user_watches")

    def fileno(self) -> int:
        """Readable when something happened since :meth:`clear`."""
        return self._fd

    def clear(self) -> None:
        """Forget what happened; to be called before the file is looked at, so that nothing after that is missed."""
        try:
            while os.read(self._fd, 65536):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        """Give the descriptor back. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
