"""Pinned network namespaces: made by a program of their own, held by a bind mount, so that they outlive every process in them.

The program is util-linux' unshare(1), which needs 3 ms where an interpreter needs 20; where that, setpriv(1) or ip(8) is missing,
:mod:`.pin`. Either dies with the process that began it, so that nothing is mounted after that was killed.
"""

from __future__ import annotations

import os
import sys

from ..cancel import Cancel
from ..errors import Unavailable
from ..mounts import is_mounted, unmount
from ..processes import environment
from ..support.programs import SYSTEM, find
from ..trace import trace

_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pin.py")
_WORDS = 4096


class Pinning:
    """A namespace that is being made. End it with :meth:`wait`."""

    __slots__ = ("_output", "_pid", "path")

    def __init__(self, path: str) -> None:
        """Begin; costs a spawn and waits for nothing.

        :param path: of a file that does not exist, in a folder that does.
        """
        self.path = path
        self._output, write = os.pipe()
        null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0)
        argv = _tools(path) or [sys.executable, "-I", "-S", _PROGRAM, path, str(os.getpid())]
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._pid = os.posix_spawn(argv[0], argv, environment(), setsid=True,
                                       file_actions=[null, (os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, write, 2)])
        except OSError as error:
            os.close(self._output)
            raise Unavailable(f"cannot make a network namespace with {argv[0]}: {error.strerror}") from None
        finally:
            os.close(write)
        trace("exec", f"{self._pid}: {' '.join(argv)}")

    def wait(self, cancel: Cancel) -> None:
        """Wait until it is pinned. To be called once, whatever happens.

        :raises Unavailable: it cannot be made; nothing is mounted then.
        :raises Cancelled, DeadlineExceeded: by ``cancel``; its program is gone then, and :func:`unpin` clears what it made.
        """
        words = b""
        try:
            while True:
                cancel.wait_readable(self._output)
                data = os.read(self._output, _WORDS)
                if not data:
                    break
                words = (words + data)[-_WORDS:]
        except BaseException:
            _kill(self._pid)
            raise
        finally:
            os.close(self._output)
            code = _ended(self._pid)
        trace("exec", f"{self._pid}: exit status {code}")
        if code or not is_mounted(self.path):
            said = " ".join(words.decode("utf-8", "replace").split())
            raise Unavailable(f"cannot pin a network namespace at {self.path}: {said or f'exit code {code}'}",
                              hint="it needs root with CAP_SYS_ADMIN; --network none and host work without it"
                              if "not permitted" in said else "")


def _tools(path: str) -> list[str]:
    """The command line of the host's tools; empty where one is missing."""
    setpriv, unshare, ip = (find(name, SYSTEM) for name in ("setpriv", "unshare", "ip"))
    if not (setpriv and unshare and ip):
        return []
    return [setpriv, "--pdeathsig", "KILL", unshare, f"--net={path}", ip, "link", "set", "lo", "up"]


def unpin(path: str) -> None:
    """Let a namespace go; it ends with the last process in it. Not there is no error.

    :raises Unavailable: the kernel refuses.
    """
    unmount(path)
    try:
        os.unlink(path)
    except FileNotFoundError:
        return  # never made, or somebody was faster


def is_pinned(path: str) -> bool:
    """True where a namespace is held there."""
    return is_mounted(path)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        return  # reaped by the embedding program


def _ended(pid: int) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        return 0  # the embedding program reaps everything: the mount is what tells
