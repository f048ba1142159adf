"""A process in other namespaces that is nobody's child here: whoever is the subreaper above, the shim, gets it."""

from __future__ import annotations

import os
import socket
from typing import Callable, NoReturn

from .failure import Failure

Act = Callable[[socket.socket], None]


def spawn(enter: Callable[[], None], act: Act) -> int:
    """Fork, `enter` namespaces, fork again, `act` there until it is another program, or says so.

    Args:
        enter: by the process between.
        act: by the new one. It returns never: it executes something, which closes its end, and that, as a word on it, means done.

    Returns: the new one's pid. Raises: Failure with its words; it has ended then.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    between = os.fork()
    if not between:
        ours.close()
        _between(enter, act, theirs)
    theirs.close()
    os.waitpid(between, 0)
    pid = 0
    while True:
        word, _, rest = ours.recv(1 << 16).decode(errors="replace").partition(" ")
        if word == "pid":
            pid = int(rest)
        elif word == "error" or not pid:
            raise Failure(rest or "the process between ended without a word")
        else:
            ours.close()
            return pid


def _between(enter: Callable[[], None], act: Act, theirs: socket.socket) -> NoReturn:
    try:
        enter()
        child = os.fork()
        if child:
            theirs.send(f"pid {child}".encode())
            os._exit(0)
        act(theirs)
    except Failure as failure:
        theirs.send(f"error {failure}".encode())
    except Exception as error:  # noqa: BLE001 - this process has nobody else to tell
        theirs.send(f"error {type(error).__name__}: {error}".encode())
    os._exit(1)
