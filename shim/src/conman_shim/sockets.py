"""Listening sockets in the container's folder, at paths longer than a socket address can hold."""

from __future__ import annotations

import _socket
import os

_SUN_PATH = 107
_WAITING = 64


class BoundSocket:
    """A listening unix socket, 0600, at a path of any length (bound through its folder's descriptor).

    :raises OSError: it cannot be bound.
    """

    def __init__(self, path: bytes, kind: int) -> None:
        folder, self._name = os.path.split(path)
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.unlink()
        self._socket = _socket.socket(_socket.AF_UNIX, kind)
        self._socket.setblocking(False)
        mask = os.umask(0o177)
        try:
            self._socket.bind(b"/proc/self/fd/%d/%b" % (self._folder, self._name))
        finally:
            os.umask(mask)
        self._socket.listen(_WAITING)

    def fileno(self) -> int:
        return self._socket.fileno()

    def short_path(self, path: bytes) -> bytes:
        """A path by which a child of ours reaches the socket: the given one, where it is short enough."""
        if len(path) <= _SUN_PATH:
            return path
        return b"/proc/%d/fd/%d/%b" % (os.getpid(), self._folder, self._name)

    def accept(self) -> _socket.socket | None:
        """The next connection, non-blocking; None: there is none now."""
        try:
            fd, _ = self._socket._accept()  # type: ignore[attr-defined]
        except (BlockingIOError, ConnectionAbortedError):
            return None
        connection = _socket.socket(_socket.AF_UNIX, self._socket.type, 0, fd)
        connection.setblocking(False)
        return connection

    def unlink(self) -> None:
        try:
            os.unlink(self._name, dir_fd=self._folder)
        except FileNotFoundError:
            return

    def close(self) -> None:
        self.unlink()
        self._socket.close()
        os.close(self._folder)
