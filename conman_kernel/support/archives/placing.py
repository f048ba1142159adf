"""New files that appear whole: written without a name where the file system can do that, named by one rename."""

from __future__ import annotations

import errno
import os

from .standard import refuse

_UNNAMED_UNKNOWN = (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL)


class NewFile:
    """A file on its way into a folder.

    :param at: descriptor of the folder; the caller keeps it open until :meth:`close`.
    :param name: what it is to be called there.
    :param shown: names it in messages.
    :raises Unavailable: it cannot be made.
    """

    def __init__(self, at: int, name: str, shown: str, mode: int = 0o644) -> None:
        self._at, self._name, self._shown = at, name, shown
        self._temporary = ""
        self.fd = -1
        try:
            self.fd = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, mode, dir_fd=at)
        except OSError as error:
            if error.errno not in _UNNAMED_UNKNOWN:
                refuse(error, shown)
        if self.fd < 0:
            self._temporary = _beside(name)
            try:
                self.fd = os.open(self._temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=at)
            except OSError as error:
                refuse(error, shown)

    def write(self, data: bytes) -> None:
        """Add bytes at its end. :raises Unavailable: no space is left."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.fd, view):]
        except OSError as error:
            refuse(error, self._shown)

    def rewind(self, position: int) -> None:
        """Take everything from a position on away again."""
        os.ftruncate(self.fd, position)
        os.lseek(self.fd, position, os.SEEK_SET)

    def place(self) -> None:
        """Let it appear under its name, in place of what was there: on the disk first, then visible.

        :raises Unavailable: its bytes cannot be written to the disk, or it cannot be named.
        """
        try:
            os.fdatasync(self.fd)
            if not self._temporary:
                # linkat(2) cannot replace; the name between is there for a moment only.
                temporary = _beside(self._name)
                os.link(f"/proc/self/fd/{self.fd}", temporary, dst_dir_fd=self._at, follow_symlinks=True)
                self._temporary = temporary
            os.rename(self._temporary, self._name, src_dir_fd=self._at, dst_dir_fd=self._at)
            self._temporary = ""
        except OSError as error:
            refuse(error, self._shown)

    def close(self) -> None:
        """Give the descriptor back; what was not placed is gone. May be called twice."""
        fd, self.fd = self.fd, -1
        temporary, self._temporary = self._temporary, ""
        if fd >= 0:
            os.close(fd)
        if temporary:
            try:
                os.unlink(temporary, dir_fd=self._at)
            except FileNotFoundError:
                return  # somebody tidied up


def _beside(name: str) -> str:
    return f".{name[:100]}.{os.urandom(6).hex()}.part"
