"""Where output goes: a descriptor of the caller's, written without ever blocking on a slow reader."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

_SAFE = 4096
"""What a blocking pipe that polls writable is sure to take (PIPE_BUF)."""

_NAMES = {1: "/dev/stdout", 2: "/dev/stderr"}


class Sink:
    """One output. Holds at most one piece that could not be written yet.

    O_NONBLOCK belongs to the open file, which the caller shares with others (its shell). So a pipe or terminal is
    opened once more for ourselves; a regular file never blocks; what cannot be reopened (a socket, another user's
    pipe) is written in pieces that a writable descriptor takes at once.

    :param fd: the descriptor, or -1 to discard. One that is not open for writing is refused when there is something to write.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._own = False
        self._piece = _SAFE
        self._pending = memoryview(b"")
        self._name = _NAMES.get(fd, f"/dev/fd/{fd}")
        if fd < 0 or fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            return  # a file opened once more could be written where this descriptor may not
        kind = os.fstat(fd).st_mode
        if stat.S_ISREG(kind):
            self._piece = 1 << 30
        elif stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
            try:
                self._fd = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
                self._own = True
                self._piece = 1 << 30
            except OSError:
                return  # written in safe pieces, as it is

    @property
    def pending(self) -> bool:
        """Something waits to be written; poll :meth:`fileno` for POLLOUT, then :meth:`flush`."""
        return bool(self._pending)

    def fileno(self) -> int:
        """The descriptor to wait on, POLLOUT, while :meth:`write` left something; -1: there is none."""
        return self._fd

    def write(self, data: bytes) -> None:
        """Write, or keep what the descriptor does not take now. Only while nothing is pending."""
        if self._fd < 0:
            return
        self._pending = memoryview(data)
        if self._piece > _SAFE:
            self.flush()

    def flush(self) -> None:
        """Write on; called when the descriptor is writable."""
        while self._pending:
            try:
                done = os.write(self._fd, self._pending[:self._piece])
            except BlockingIOError:
                return
            except OSError as error:
                self._broken(error)
                return
            self._pending = self._pending[done:]
            if self._piece == _SAFE:
                return

    def close(self) -> None:
        """Close what was opened here, never the caller's descriptor. May be called twice."""
        if self._own:
            self._own = False
            os.close(self._fd)
        self._fd = -1
        self._pending = memoryview(b"")

    def _broken(self, error: OSError) -> None:
        """A terminal that is gone takes nothing more: the rest is discarded, and SIGHUP says what comes of the session.

        :raises BrokenPipeError: nobody reads the pipe or socket any more.
        :raises OSError: another failure (a full disk, a descriptor that is closed or only for reading), which the caller has to
            hear; it names the stream.
        """
        if error.errno == errno.ECONNRESET:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
        if error.errno not in (errno.EIO, errno.ENXIO):
            if error.errno != errno.EPIPE:
                error.filename = self._name
            raise error
        self.close()
