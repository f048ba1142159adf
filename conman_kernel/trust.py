"""Which configuration files root may believe: those that nobody else could have written or replaced."""

from __future__ import annotations

import errno
import os
import stat
from typing import Iterator

from .errors import ConfigError

_MOST_LINKS = 40


def check_trust(path: str) -> None:
    """Refuse, for root, a file that somebody else could have written or replaced.

    :raises ConfigError: naming the file or folder and what is wrong with it.
    """
    if os.geteuid() != 0:
        return
    for current in _way_to(path):
        st = os.lstat(current)
        others = st.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if stat.S_ISLNK(st.st_mode) or (stat.S_ISDIR(st.st_mode) and st.st_mode & stat.S_ISVTX):
            others = 0
        if st.st_uid != 0 or others:
            what = "does not belong to root" if st.st_uid != 0 else "can be written by others"
            raise ConfigError(f"{path}: not read: {current} {what}, and a configuration chooses code that runs as root",
                              hint=f"chown root {current}; chmod go-w {current}")


def _way_to(path: str) -> Iterator[str]:
    """Every folder, symbolic link and file that opening ``path`` goes through: who may change one chooses what is read."""
    current, links = "/", 0
    rest = os.path.join(os.getcwd(), path).split("/")[::-1]
    yield current
    while rest:
        part = rest.pop()
        if part in ("", ".", ".."):
            current = os.path.dirname(current) if part == ".." else current
            continue
        step = os.path.join(current, part)
        yield step
        if not os.path.islink(step):
            current = step
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target = os.readlink(step)
        rest += target.split("/")[::-1]
        current = "/" if target.startswith("/") else current
