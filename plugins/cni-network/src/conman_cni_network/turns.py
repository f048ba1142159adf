"""Taking turns: one call at a time for one interface of a container, and one writer of rules.

A command that is killed leaves the programs that it has started at work for a moment. They hold the lock with it (its descriptor
is theirs, too), so whoever gives back what the killed one had waits until they have ended.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import Iterator

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Unavailable

_PAUSE = 0.005
_PATIENCE = 30.0
_LOCKS = 64


@contextmanager
def turn(folder: str, name: str, cancel: Cancel) -> Iterator[int]:
    """Hold a lock for the block.

    :param folder: made where it is not there. ``name``: of the lock.
    :returns: its descriptor, for programs to hold.
    :raises Cancelled, DeadlineExceeded: by ``cancel``, while another one has it.
    :raises Unavailable: it has had it for half a minute.
    """
    end = time.monotonic() + _PATIENCE
    path = f"{folder}/{name}.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Unavailable(f"another program has had {path} for {_PATIENCE:.0f} seconds",
                                      hint=f"fuser {path} tells which one: a CNI plugin or iptables that hangs") from None
                cancel.wait_readable(timeout=_PAUSE)
        yield fd
    finally:
        os.close(fd)


def of_interface(container: str, interface: str) -> str:
    """The name of the lock of one interface of a container. There are a few for all: lock files are never removed."""
    return f"turn-{(int(container[:8] or '0', 16) + sum(interface.encode())) % _LOCKS}"
