"""A snapshot's merged tree, reached through one descriptor and seen by nobody else.

The mount is made below ``--run-root`` and detached at once: only the descriptor keeps it, so whatever happens to
this process, nothing stays mounted. A crash between the two steps leaves a mount that :func:`clear` takes away.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Sequence

from ..mounts import mount_all, unmount
from ..slots.storage import Mount
from ..store.layout import Layout


def place(layout: Layout, key: str) -> str:
    """Where the snapshot ``key`` is mounted for a moment."""
    return f"{layout.run_root}/unpack/{key}"


@contextmanager
def merged(mounts: Sequence[Mount], layout: Layout, key: str) -> Iterator[int]:
    """A descriptor of the folder that the mounts show, for the length of the block.

    :raises Unavailable: the system refuses to mount.
    """
    where = layout.ensure(place(layout, key))
    try:
        mount_all(mounts, where)
        fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        clear(layout, key)
    try:
        yield fd
    finally:
        os.close(fd)


def standing(layout: Layout, key: str) -> str:
    """Where the snapshot ``key`` is mounted for others to look at, see :mod:`.instances`."""
    return f"{layout.run_root}/images/{key}"


def clear(layout: Layout, key: str) -> None:
    """Unmount and remove the places of a snapshot; nothing there is no error."""
    for where in (place(layout, key), standing(layout, key)):
        if not os.path.lexists(where):
            continue
        unmount(where)
        try:
            os.rmdir(where)
        except FileNotFoundError:
            continue  # two commands clear after the same dead one
