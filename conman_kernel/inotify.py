"""A descriptor that becomes readable when a file is written to or moved away (inotify(7))."""

from __future__ import annotations

import ctypes
import os

from .errors import Unavailable

IN_MODIFY = 0x2
IN_MOVE_SELF = 0x800
IN_DELETE_SELF = 0x400


class Watch:
    """Watches one file. Close it.

    :param path: the file; it must exist.
    :raises Unavailable: the host allows no (more) watches.
    """

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            raise Unavailable(f"cannot watch {path}: {os.strerror(ctypes.get_errno())}",
                              hint="raise fs.inotify.max_user_instances")
        if libc.inotify_add_watch(self._fd, os.fsencode(path), IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) < 0:
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
