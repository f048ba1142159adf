"""A snapshot's merged tree, reached through one descriptor and seen by nobody else.

The mount is made below ``--run-root`` and detached at once: only the descriptor keeps it, so whatever happens to
this process, nothing stays mounted. A crash between the two steps leaves a mount that :func:`clear` takes away.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Iterator, Sequence

from ..errors import Unavailable
from ..slots.storage import Mount
from ..store.layout import Layout

_MS_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 1024, "bind": 4096, "rbind": 4096 | 16384}
_MNT_DETACH = 2
_PAGE = 4000
_LOWER = "lowerdir="


def place(layout: Layout, key: str) -> str:
    """Where the snapshot ``key`` is mounted for a moment."""
    return f"{layout.run_root}/unpack/{key}"


@contextmanager
def merged(mounts: Sequence[Mount], layout: Layout, key: str) -> Iterator[int]:
    """A descriptor of the folder that the mounts show, for the length of the block.

    :raises Unavailable: the system refuses to mount.
    """
    where = place(layout, key)
    layout.ensure(where)
    try:
        for mount in mounts:
            _mount(mount, where)
        fd = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        clear(layout, key)
    try:
        yield fd
    finally:
        os.close(fd)


def clear(layout: Layout, key: str) -> None:
    """Unmount and remove the place of a snapshot; nothing there is no error."""
    where = place(layout, key)
    if not os.path.lexists(where):
        return
    libc = _libc()
    while libc.umount2(os.fsencode(where), _MNT_DETACH) == 0:
        continue
    try:
        os.rmdir(where)
    except OSError:
        return


def _mount(mount: Mount, where: str) -> None:
    import ctypes

    kind = "" if mount.type in ("bind", "rbind") else mount.type
    flags = _MS_FLAGS.get(mount.type, 0)
    data: list[str] = []
    for option in mount.options:
        if option in _MS_FLAGS:
            flags |= _MS_FLAGS[option]
        elif option != "rw":
            data.append(option)
    opened: list[int] = []
    try:
        text = ",".join(data)
        if len(text) > _PAGE:
            text = ",".join(_shortened(option, opened) for option in data)
        done = _libc().mount(os.fsencode(mount.source), os.fsencode(where), kind.encode() or None, ctypes.c_ulong(flags),
                             os.fsencode(text) or None)
        if done != 0:
            code = ctypes.get_errno()
            raise Unavailable(f"cannot mount a {mount.type} file system at {where}: {os.strerror(code)}")
    finally:
        for fd in opened:
            os.close(fd)


def _shortened(option: str, opened: list[int]) -> str:
    # mount(2) takes one page of options: a folder's descriptor has a shorter path than the folder.
    if not option.startswith(_LOWER):
        return option
    import re

    names: list[str] = []
    for escaped in re.split(r"(?<!\\):", option.removeprefix(_LOWER)):
        folder = re.sub(r"\\(.)", r"\1", escaped)
        opened.append(os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        names.append(f"/proc/self/fd/{opened[-1]}")
    return _LOWER + ":".join(names)


class _Libc:
    """The two calls that Python does not offer."""

    def __init__(self) -> None:
        import ctypes

        library = ctypes.CDLL(None, use_errno=True)
        self._mount = library.mount
        self._umount2 = library.umount2

    def mount(self, source: bytes, target: bytes, kind: bytes | None, flags: object, data: bytes | None) -> int:
        return int(self._mount(source, target, kind, flags, data))

    def umount2(self, target: bytes, flags: int) -> int:
        return int(self._umount2(target, flags))


def _libc() -> _Libc:
    return _Libc()
