"""How it ended: wait status, the exit file, and handing over to the clean-up command."""

from __future__ import annotations

import os
import select
import time

from .config import Config
from .loop import default_signals

PARENTS_SECONDS = 2.0
"""How long a runtime's own processes may still be ending once its command has ended."""


class Ending:
    """How a process ended: ``code`` is 0-255, 128+``signal`` where a signal did it; ``finished`` in ns of the epoch."""

    def __init__(self, status: int, *, oom: bool) -> None:
        """
        :param status: as waitpid(2) gives it.
        """
        self.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        self.code = 128 + self.signal if self.signal else os.WEXITSTATUS(status)
        self.oom = oom
        self.finished = time.time_ns()


def reap() -> dict[int, int]:
    """Every child that has ended: pid -> wait status."""
    found: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        found[pid] = status


def becomes_our_child(pid: int) -> bool:
    """True where ``pid`` can be waited for by us; it is left as it is.

    A parent between it and us may still be ending: crun's first process ends as soon as it has heard from its second one that the
    container is there. The end of such a parent is waited for, a moment at most.
    """
    until = time.monotonic() + PARENTS_SECONDS
    while not _is_our_child(pid):
        left = until - time.monotonic()
        parent = _parent(pid)
        if left <= 0 or parent <= 1:
            return False
        try:
            ending = os.pidfd_open(parent)
        except ProcessLookupError:
            continue  # it has just gone
        try:
            watch = select.poll()
            watch.register(ending, select.POLLIN)
            watch.poll(left * 1000)
        finally:
            os.close(ending)
    return True


def _is_our_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _parent(pid: int) -> int:
    """Its parent's pid; 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            return int((file.read(4096) or b"").rpartition(b")")[2].split()[1])
    except (OSError, IndexError):
        return 0


def write_exit_file(config: Config, ending: Ending) -> None:
    """Write it whole, by rename (PROTOCOL.md, "Exit file").

    :raises OSError: it cannot be written.
    """
    new = config.exit_file + b".new"
    text = b"code=%d\nsignal=%d\noom=%d\nfinished=%d\n" % (ending.code, ending.signal, ending.oom, ending.finished)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, text)
        if config.durable:
            os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(new, config.exit_file)
    if config.durable:
        above = os.open(os.path.dirname(config.exit_file), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(above)
        finally:
            os.close(above)


def exec_cleanup(argv: list[bytes], signals: tuple[int, ...]) -> None:
    """Become the clean-up command. Every descriptor of ours is close-on-exec; 0, 1 and 2 are /dev/null.

    :raises OSError: it cannot be run.
    """
    default_signals(signals)
    if b"/" in argv[0]:
        os.execv(argv[0], argv)
    os.execvp(argv[0], argv)
