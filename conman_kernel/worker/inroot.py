"""Where a path leads for a process whose root folder is a given one: found over descriptors, without ever being that process.

The walk goes component by component with O_NOFOLLOW and follows links itself: absolute ones start at the root, ``..`` goes back
to the folder that was come through and stops at the root. What somebody renames meanwhile can lead it to another place beneath
the root, and to none outside; the text of a link of /proc is a path like any other, so that no such link leads anywhere else.
It is openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, which Python cannot call without ctypes; and unlike that it
tells where a thing would be that is not there yet.
"""

from __future__ import annotations

import errno
import os
import stat

_MAX_LINKS = 40
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Place:
    """An open folder (O_PATH), a name in it, and what lies there (None: nothing). ``b"."`` is the folder itself.

    To be closed; a context manager.
    """

    __slots__ = ("folder", "name", "state")

    def __init__(self, folder: int, name: bytes, state: os.stat_result | None) -> None:
        self.folder = folder
        self.name = name
        self.state = state

    def is_folder(self) -> bool:
        """Whether a folder lies there."""
        return self.state is not None and stat.S_ISDIR(self.state.st_mode)

    def open(self, flags: int, mode: int = 0) -> int:
        """Open what lies there, never through a link. :raises OSError: as open(2)."""
        flags = flags & ~os.O_CREAT if self.name == b"." else flags
        return os.open(self.name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=self.folder)

    def close(self) -> None:
        """Close the folder. May be called twice."""
        folder, self.folder = self.folder, -1
        if folder >= 0:
            os.close(folder)

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


def components(path: bytes) -> list[bytes]:
    """The parts of a path, without empty ones and ``.``."""
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def resolve(root: int, path: bytes, *, follow: bool) -> Place:
    """Find where ``path`` leads.

    :param root: a descriptor of the root folder; stays open and unmoved.
    :param path: absolute or not, both from the root. Slashes at its end mean nothing here.
    :param follow: a link at the end is followed, too; where its target is missing, the place is that of the target.
    :raises OSError: ENOENT or ENOTDIR where something on the way is missing or no folder; ELOOP after 40 links.
    """
    stack = [os.open(".", _FOLDER, dir_fd=root)]
    todo = components(path)[::-1]
    links = 0
    try:
        while todo:
            name = todo.pop()
            if name == b"..":
                if len(stack) > 1:
                    os.close(stack.pop())
                continue
            state = _state(stack[-1], name)
            last = not todo
            if state is not None and stat.S_ISLNK(state.st_mode) and (follow or not last):
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(name, dir_fd=stack[-1])
                if target.startswith(b"/"):
                    while len(stack) > 1:
                        os.close(stack.pop())
                todo.extend(components(target)[::-1])
            elif last:
                return Place(stack.pop(), name, state)
            elif state is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            else:
                stack.append(os.open(name, _FOLDER, dir_fd=stack[-1]))
        return Place(stack[-1], b".", os.fstat(stack.pop()))
    finally:
        for fd in stack:
            os.close(fd)


def _state(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
