"""The calling terminal: raw while a session has it, and as it was before afterwards."""

from __future__ import annotations

import os
import termios
from types import TracebackType


class RawTerminal:
    """A context in which a terminal passes every key on as it is typed. Restores the mode however it is left.

    :param fd: the terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before = termios.tcgetattr(fd)

    def __enter__(self) -> RawTerminal:
        self.enter()
        return self

    def enter(self) -> None:
        """Make it raw (cfmakeraw(3)); again after the shell has had it (SIGCONT)."""
        mode = termios.tcgetattr(self._fd)
        mode[0] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
                     | termios.ICRNL | termios.IXON)
        mode[1] &= ~termios.OPOST
        mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
        mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
        mode[6][termios.VMIN] = 1
        mode[6][termios.VTIME] = 0
        termios.tcsetattr(self._fd, termios.TCSANOW, mode)

    def restore(self) -> None:
        """As it was. May be called twice; a terminal that is gone needs nothing."""
        try:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        except termios.error:
            return

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.restore()


def is_terminal(fd: int) -> bool:
    """True for an open terminal; -1 is none."""
    return fd >= 0 and os.isatty(fd)


def size(*fds: int) -> tuple[int, int] | None:
    """Rows and columns of the first terminal among these descriptors that knows its size."""
    for fd in fds:
        if is_terminal(fd):
            columns, rows = os.get_terminal_size(fd)
            if rows and columns:
                return rows, columns
    return None
