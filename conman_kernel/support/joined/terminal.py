"""The calling terminal: raw while a session has it, and as it was before afterwards."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Callable

    _Mode = list[int | list[bytes | int]]

_TRIES = 100
"""How often a call is tried that signals interrupt."""


class RawTerminal:
    """A terminal that passes every key on as it is typed, between :meth:`enter` and :meth:`restore`.

    :param fd: the terminal.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: _Mode = []
        self._raw: _Mode = []

    def enter(self) -> bool:
        """Make it raw (cfmakeraw(3)); again after the shell has had it (SIGCONT).

        In the background this stops the process by SIGTTOU, where that does what it does by default, until it has the terminal:
        what its mode is until then is the shell's affair, and nothing to come back to.

        :returns: False where the terminal is gone, or can never be had (an orphaned background process).
        """
        import termios

        try:
            self._patiently(lambda: termios.tcdrain(self._fd))
            now = termios.tcgetattr(self._fd)
            if now != self._raw:
                self._before = now
            mode = [*now[:6], [*now[6]]]
            mode[0] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
                         | termios.ICRNL | termios.IXON)
            mode[1] &= ~termios.OPOST
            mode[2] = mode[2] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
            mode[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
            mode[6][termios.VMIN] = 1
            mode[6][termios.VTIME] = 0
            self._patiently(lambda: termios.tcsetattr(self._fd, termios.TCSANOW, mode))
            self._raw = termios.tcgetattr(self._fd)
        except termios.error:
            return False
        return True

    def restore(self) -> None:
        """As it was. May be called twice; a terminal that is gone needs nothing, and one that a shell has taken back meanwhile
        is left to that."""
        if not self._raw:
            return
        import termios

        self._raw = []
        if in_background(self._fd):
            return
        try:
            self._patiently(lambda: termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before))
        except termios.error:
            return

    def _patiently(self, call: Callable[[], None]) -> None:
        """Call again where a signal's handler ran meanwhile; termios, unlike os, does not by itself."""
        import termios

        for left in range(_TRIES, -1, -1):
            try:
                return call()
            except termios.error as error:
                if error.args[0] != errno.EINTR or not left:
                    raise


def is_terminal(fd: int) -> bool:
    """True for an open terminal; -1 is none."""
    return fd >= 0 and os.isatty(fd)


def in_background(fd: int) -> bool:
    """True where this terminal controls the calling process, and another job has it now."""
    try:
        return os.tcgetpgrp(fd) != os.getpgrp()
    except OSError:
        return False  # not our controlling terminal, or gone


def size(*fds: int) -> tuple[int, int] | None:
    """Rows and columns of the first terminal among these descriptors that knows its size."""
    for fd in fds:
        try:
            columns, rows = os.get_terminal_size(fd) if fd >= 0 else (0, 0)
        except OSError:
            continue  # no terminal, or it is gone
        if rows and columns:
            return rows, columns
    return None
