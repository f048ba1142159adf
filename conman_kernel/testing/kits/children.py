"""Processes of a kit's own: do something in a child, or kill a child at a chosen point of it."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import sys
import traceback
import warnings
from typing import Callable, NamedTuple, Protocol

_PATIENCE = 60.0
_CALLS = ("write", "pwrite", "writev", "copy_file_range", "sendfile", "mknod", "mkfifo", "fsync", "fdatasync", "syncfs", "fchown",
          "posix_fallocate")
_EVENTS = frozenset((
    "open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown", "os.utime",
    "os.setxattr", "os.removexattr", "os.truncate", "fcntl.ioctl", "fcntl.flock", "fcntl.lockf", "subprocess.Popen",
    "os.posix_spawn", "sqlite3.connect"))


class _Call(Protocol):
    def __call__(self, *arguments: object, **more: object) -> object: ...


class Ended(NamedTuple):
    """How a child ended.

    :param killed: by SIGKILL. ``said``: the traceback it ended with, or empty.
    :param points: how many points it came past.
    """

    killed: bool
    said: str
    points: int


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # beside threads: the child runs nothing of theirs
        return os.fork()


class Child:
    """A forked child in a process group of its own; what it starts dies with it."""

    def __init__(self, action: Callable[[], object], *, die_at: int = 0) -> None:
        """
        :param action: run in the child; its exception is told by :meth:`wait`.
        :param die_at: kill the child before this point, counted from 1; 0: never. Points are calls that open, make, move,
            write, lock or start something.
        """
        read, write = os.pipe2(os.O_CLOEXEC)
        self.pid = _fork()
        if not self.pid:
            _run(action, die_at, write)
        os.close(write)
        self._pipe = read

    def kill_after(self, seconds: float) -> None:
        """Kill it with SIGKILL unless it ends by itself before that."""
        if not select.select([self._pipe], [], [], seconds)[0]:
            self._kill()

    def wait(self) -> Ended:
        """Wait until it has ended. :raises AssertionError: it hangs."""
        said = bytearray()
        try:
            while True:
                if not select.select([self._pipe], [], [], _PATIENCE)[0]:
                    self._kill()
                    raise AssertionError(f"a child process hung for {_PATIENCE} seconds")
                piece = os.read(self._pipe, 65536)
                if not piece:
                    break
                said += piece
        finally:
            os.close(self._pipe)
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self._kill()  # what is left of its group
        points, _, text = said.decode(errors="replace").partition("\n")
        return Ended(status == -signal.SIGKILL, text, int(points or 0))

    def _kill(self) -> None:
        for kill, target in ((os.kill, self.pid), (os.killpg, self.pid)):
            try:
                kill(target, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended


def in_child(action: Callable[[], object], *, die_at: int = 0) -> Ended:
    """Run ``action`` in a child and wait for its end, see :class:`Child`."""
    return Child(action, die_at=die_at).wait()


def _run(action: Callable[[], object], die_at: int, write: int) -> None:
    os.setpgid(0, 0)
    report = os.write  # its own words do not count
    points = 0

    def point() -> None:
        nonlocal points
        points += 1
        if points == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: _Call) -> _Call:
        def counting(*arguments: object, **more: object) -> object:
            point()
            return call(*arguments, **more)

        return counting

    for name in _CALLS:
        if hasattr(os, name):
            setattr(os, name, counted(getattr(os, name)))
    setattr(fcntl, "ioctl", counted(vars(fcntl)["ioctl"]))
    active = True
    sys.addaudithook(lambda event, _: point() if active and event in _EVENTS else None)
    try:
        action()
        said = ""
    except BaseException:  # noqa: BLE001 (whatever it is, the parent tells it)
        said = traceback.format_exc()
    active = False
    report(write, f"{points}\n{said}".encode(errors="replace")[:60000])
    os._exit(0)
