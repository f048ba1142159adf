"""Programs that a plugin has its host's tools do: started without a shell, input from memory, both outputs kept, killed on wish.

What they start themselves is killed with them: each is in a process group of its own.
"""

from __future__ import annotations

import os
import signal
from typing import Mapping, Sequence

from ..cancel import Cancel
from ..errors import Unavailable
from ..record import Record
from ..trace import trace

SYSTEM = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")
"""Looked through after ``PATH``, which of a plain user has no ``sbin``."""

_LIMIT = 4 << 20
_PIECE = 1 << 16


class Ended(Record):
    """How a program ended.

    :param code: its exit code; 128 and more: a signal. ``output``: what it wrote to its standard output, ``errors``: and to its
        standard error; of each the first 4 MiB.
    """

    code: int
    output: bytes
    errors: bytes


def search_path(environ: Mapping[str, str]) -> str:
    """``PATH``, and what :data:`SYSTEM` has besides."""
    given = environ.get("PATH", "")
    return ":".join([*([given] if given else []), *(folder for folder in SYSTEM if folder not in given.split(":"))])


def find(name: str, folders: Sequence[str]) -> str:
    """The path of an executable file of that name in the first folder that has one; empty: none has."""
    for folder in folders:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return ""


class Running:
    """A program at work. To be ended by :meth:`wait`, or :meth:`kill`, once."""

    __slots__ = ("_argv", "_errors", "_output", "pid")

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], data: bytes = b"", *, hold: int = -1) -> None:
        """Start it; waits for nothing.

        :param argv: the first is its path.
        :param data: its standard input.
        :param hold: a descriptor that it, and what it starts, has open as number 3: with a flock(2) on it others see that it is
            at work, also where this process is killed.
        :raises Unavailable: it cannot be run.
        """
        given = os.memfd_create("input", os.MFD_CLOEXEC)
        pipes: list[int] = []
        try:
            _write(given, data)
            pipes += os.pipe2(os.O_CLOEXEC)
            pipes += os.pipe2(os.O_CLOEXEC)
            actions = [(os.POSIX_SPAWN_DUP2, given, 0), (os.POSIX_SPAWN_DUP2, pipes[1], 1), (os.POSIX_SPAWN_DUP2, pipes[3], 2)]
            if hold >= 0:
                actions.append((os.POSIX_SPAWN_DUP2, hold, 3))
            self.pid = os.posix_spawn(argv[0], list(argv), environ, file_actions=actions, setsid=True,
                                      setsigdef=(signal.SIGPIPE,))
        except OSError as error:
            for fd in pipes[::2]:
                os.close(fd)
            raise Unavailable(f"cannot run {argv[0]}: {error.strerror}") from None
        finally:
            os.close(given)
            for fd in pipes[1::2]:
                os.close(fd)
        self._output, self._errors = pipes[::2]
        self._argv = list(argv)
        trace("exec", f"{self.pid}: {' '.join(argv)}")

    def wait(self, cancel: Cancel) -> Ended:
        """Wait until it has ended.

        :raises Cancelled, DeadlineExceeded: by ``cancel``; it is killed.
        """
        texts = {self._output: bytearray(), self._errors: bytearray()}
        try:
            open_ones = list(texts)
            while open_ones:
                for fd in cancel.wait_readable(*open_ones):
                    piece = os.read(fd, _PIECE)
                    if not piece:
                        open_ones.remove(fd)
                    elif len(texts[fd]) < _LIMIT:
                        texts[fd] += piece
        except BaseException:
            self.kill()
            raise
        code = self._end()
        return Ended(code, bytes(texts[self._output]), bytes(texts[self._errors]))

    def kill(self) -> None:
        """End it, and what it has started, at once."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # reaped by the embedding program
        self._end()

    def _end(self) -> int:
        os.close(self._output)
        os.close(self._errors)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:
            status = 0  # the embedding program ignores SIGCHLD, or reaps everything: what it wrote must do
        code = status if status >= 0 else 128 - status
        trace("exec", f"{self.pid}: exit status {code}")
        return code


def run(argv: Sequence[str], environ: Mapping[str, str], cancel: Cancel, data: bytes = b"", *, hold: int = -1) -> Ended:
    """Start a program and wait for its end; see :class:`Running`."""
    cancel.check()
    return Running(argv, environ, data, hold=hold).wait(cancel)


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]
    os.lseek(fd, 0, os.SEEK_SET)
