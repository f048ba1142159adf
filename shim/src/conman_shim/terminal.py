"""The container's terminal: received from the runtime, sized, and told that input has ended."""

from __future__ import annotations

import _socket
import os
import sys


def receive_terminal(connection: _socket.socket) -> int:
    """The PTY master that the runtime sends (SCM_RIGHTS), non-blocking and close-on-exec; -1: it sent none.

    :raises BlockingIOError: nothing has come yet.
    """
    _, ancillary, _, _ = connection.recvmsg(4096, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS and len(data) >= 4:
            master = int.from_bytes(data[:4], sys.byteorder)
            os.set_blocking(master, False)
            return master
    return -1


def resize(master: int, rows: int, columns: int) -> None:
    """Set a terminal's size in characters. A terminal whose processes are gone is no error."""
    import fcntl
    import termios
    size = b"".join(n.to_bytes(2, sys.byteorder) for n in (rows & 0xFFFF, columns & 0xFFFF, 0, 0))
    try:
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
    except OSError:
        return


def sane_output(master: int) -> None:
    """Newlines leave the terminal as CR LF, whatever the runtime made of it (runc 1.1 clears ONLCR in some ways)."""
    import termios
    mode = termios.tcgetattr(master)
    mode[1] |= termios.OPOST | termios.ONLCR
    termios.tcsetattr(master, termios.TCSANOW, mode)


def end_of_file(master: int) -> tuple[bytes, bool]:
    """What typing the end of input is on this terminal: the character, and whether lines are edited (ICANON)."""
    import termios
    mode = termios.tcgetattr(master)
    character = mode[6][termios.VEOF]
    return (character if isinstance(character, bytes) else b"\x04"), bool(mode[3] & termios.ICANON)
