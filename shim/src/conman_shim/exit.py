"""How it ended: wait status, the exit file, and handing over to the clean-up command."""

from __future__ import annotations

import os
import time

from .config import Config
from .loop import default_signals


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


def is_our_child(pid: int) -> bool:
    """True where ``pid`` can be waited for by us; it is left as it is."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


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
