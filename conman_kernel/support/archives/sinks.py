"""Where an archive is written to: a file that appears whole, or a pipe."""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING, Protocol

from ...errors import AlreadyExists, InvalidInput
from .placing import NewFile
from .standard import duplicate, open_beneath, refuse, stream_number

if TYPE_CHECKING:
    from ...cancel import Cancel

PIECE = 1 << 16


class Sink(Protocol):
    """Bytes, front to end."""

    def write(self, data: bytes, cancel: Cancel) -> None:
        """Add bytes. :raises Unavailable: nobody reads them, or no space is left."""
        ...

    def rewind(self, position: int) -> bool:
        """Take everything from a position on away again. :returns: False where that cannot be done."""
        ...

    def commit(self) -> None:
        """All is written: make it visible."""
        ...

    def close(self) -> None:
        """Give everything back; a file that was not committed is gone. May be called twice."""
        ...


def open_sink(path: str) -> Sink:
    """Open what an archive is to be written to. A regular file that is there is replaced by :meth:`Sink.commit`.

    :raises NotFound: its folder does not exist.
    :raises AlreadyExists: a folder is there.
    :raises InvalidInput: it is a terminal, a FIFO, a device other than ``/dev/null``.
    """
    number = stream_number(path)
    if number is not None:
        return _Pipe(duplicate(number, path), path)
    path = os.path.realpath(path)  # a link stays; the file that it leads to is replaced
    try:
        kind = os.stat(path).st_mode
    except FileNotFoundError:
        return _File(path)
    except (OSError, ValueError) as error:
        refuse(error, path)
    if stat.S_ISREG(kind):
        return _File(path)
    if stat.S_ISDIR(kind):
        raise AlreadyExists(f"{path} is a folder; an archive is a file", hint="name a file in it")
    if path == os.devnull:
        return _Pipe(open_beneath(path, os.O_WRONLY, None, path), path)
    raise InvalidInput(f"{path} is no regular file", hint=f"redirect standard output: > {path}")


class _File:
    def __init__(self, path: str) -> None:
        folder, name = os.path.split(path)
        self._folder = open_beneath(folder or ".", os.O_RDONLY | os.O_DIRECTORY, None, folder)
        try:
            self._file = NewFile(self._folder, name, path)
        except BaseException:
            os.close(self._folder)
            raise

    def write(self, data: bytes, cancel: Cancel) -> None:
        cancel.check()
        self._file.write(data)

    def rewind(self, position: int) -> bool:
        self._file.rewind(position)
        return True

    def commit(self) -> None:
        self._file.place()
        os.fsync(self._folder)

    def close(self) -> None:
        self._file.close()
        folder, self._folder = self._folder, -1
        if folder >= 0:
            os.close(folder)


class _Pipe:
    """A pipe, a socket, or a file that a shell opened. A full one is waited for, and the token ends that."""

    def __init__(self, fd: int, shown: str) -> None:
        self._fd, self._shown = fd, shown
        self._socket = False
        kind = os.fstat(fd).st_mode
        if os.isatty(fd):
            os.close(fd)
            raise InvalidInput(f"{shown} is a terminal, and an archive is no text", hint="redirect it: > FILE")
        if stat.S_ISFIFO(kind):
            self._fd = _unblocked(fd)
        elif stat.S_ISSOCK(kind):
            self._socket = True

    def write(self, data: bytes, cancel: Cancel) -> None:
        view = memoryview(data)
        while view:
            self._wait(cancel)
            try:
                view = view[self._send(view[:PIECE]):]
            except BlockingIOError:
                continue  # another writer was faster
            except OSError as error:
                refuse(error, self._shown)

    def rewind(self, position: int) -> bool:
        return False

    def commit(self) -> None:
        return

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _send(self, data: memoryview) -> int:
        if not self._socket:
            return os.write(self._fd, data)
        import socket

        own = socket.socket(fileno=self._fd)
        try:
            return own.send(data, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        finally:
            own.detach()

    def _wait(self, cancel: Cancel) -> None:
        cancel.check()
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        poll.register(cancel.fileno(), select.POLLIN)
        while not poll.poll(_milliseconds(cancel)):
            cancel.check()
        cancel.check()


def _milliseconds(cancel: Cancel) -> float | None:
    left = cancel.remaining()
    return None if left is None else min(left, 86_400.0) * 1000 + 0.5


def _unblocked(fd: int) -> int:
    """A descriptor of the same pipe that never waits. The one we were given is shared with others, and stays as it is."""
    try:
        own = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return fd  # another user's pipe: writes may then wait for its reader
    os.close(fd)
    return own
