"""One run of a health check: the runtime's exec, its process, what they write, how it is cut short (PROTOCOL.md, "Health")."""

from __future__ import annotations

import os
import time

from .config import Config
from .exit import becomes_our_child
from .loop import READ, Loop, Timer
from .spawn import spawn

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    import signal as _signal
    from typing import Callable
else:
    import _signal

OUTPUT = 500
"""Bytes of a check's output that are kept."""

_GRACE_SECONDS = 2.0
"""How long a check that was killed may take to be gone before it is given up."""


class Check:
    """One run of the check command.

    :param ended: called once with the exit code (-1: none) and what it wrote.
    """

    def __init__(self, loop: Loop, config: Config, ended: Callable[[int, bytes], None]) -> None:
        """:raises OSError: the command cannot be run."""
        self._loop = loop
        self._config = config
        self._ended = ended
        self._output = bytearray()
        self._seen: dict[int, int] = {}
        self._process = 0
        self._late: Timer | None = None
        self._why = b""
        self.began, self.began_here = time.time_ns(), time.monotonic()
        try:
            os.unlink(config.health_pid_file)
        except FileNotFoundError:
            pass  # the first check
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            os.set_blocking(self._reader, False)
            self._runtime = spawn(config.health, config.env, [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2)])
        except OSError:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        loop.add(self._reader, READ, self._speaking)

    def reaped(self, ended: dict[int, int]) -> None:
        """Children of the shim have ended, in no order: the runtime, the check's process, strangers.

        :param ended: pid -> wait status.
        """
        if self._runtime:
            self._seen.update(ended)
            if self._runtime not in self._seen:
                return
            status = self._seen[self._runtime]
            self._runtime = 0
            self._process = self._read_pid()
            if self._process not in self._seen and (_code(status) or not self._process):
                self._end(-1)
            if self._process and self._why and self._process not in self._seen:
                self.kill(self._why)  # it was too late before the runtime was done
            ended = self._seen
        if self._process in ended:
            self._end(_code(ended[self._process]))

    def kill(self, why: bytes) -> None:
        """End it, and what it has begun, as far as that can be found. May be called twice."""
        self._why = why
        for pid in _family([pid for pid in (self._runtime, self._process) if pid]):
            _kill(pid)
        if self._process:
            _kill(-self._process)  # it leads a session: whatever is still in its group
        if self._reader >= 0 and self._late is None:
            self._late = self._loop.after(_GRACE_SECONDS, lambda: self._end(-1))

    def close(self) -> None:
        """Forget it. May be called twice."""
        self._loop.cancel(self._late)
        reader, self._reader = self._reader, -1
        if reader >= 0:
            self._loop.remove(reader)
            os.close(reader)

    def _end(self, code: int) -> None:
        if self._reader < 0:
            return
        while self._take():
            pass
        self.close()
        self._ended(-1 if self._why else code, self._why + bytes(self._output)[:OUTPUT - len(self._why)])

    def _read_pid(self) -> int:
        try:
            with open(self._config.health_pid_file, "rb", buffering=0) as file:
                content = (file.read(32) or b"").strip()
        except OSError:
            return 0
        pid = int(content) if content.isdigit() else 0
        return pid if pid in self._seen or (pid > 1 and becomes_our_child(pid)) else 0

    def _speaking(self, events: int) -> None:
        for _ in range(8):
            if not self._take():
                return

    def _take(self) -> bool:
        """Read a piece; what is too much is thrown away, so that nothing waits for us. False: nothing there, or the end."""
        try:
            data = os.read(self._reader, 64 * 1024)
        except OSError:
            return False
        if not data:
            self._loop.remove(self._reader)
            return False
        self._output += data[:max(0, OUTPUT - len(self._output))]
        return True


def _code(status: int) -> int:
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, _signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _family(found: list[int]) -> list[int]:
    """Processes that we have not reaped, and their descendants by now."""
    for parent in found:
        try:
            for thread in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{thread}/children", "rb", buffering=0) as file:
                    found += [int(word) for word in (file.read(65536) or b"").split()]
        except OSError:
            continue  # gone, or a kernel without that file
    return found
