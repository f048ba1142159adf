"""Opening paths beneath a root file system that is not trusted: no link, however absolute, leads out of it.

The walk goes component by component with O_NOFOLLOW, over descriptors, and follows links itself: absolute ones and
``..`` start and end at the root, and nothing that a process in the container renames meanwhile can lead it elsewhere.
It is openat2(2) with RESOLVE_IN_ROOT, which Python cannot call, without ctypes (whose import costs more than the walk).
"""

from __future__ import annotations

import errno
import os
import stat

_MAX_LINKS = 40
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part and part != "."]


def _step(fd: int, name: str, flags: int, mode: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=fd)


def _link_target(folder: int, name: str) -> str | None:
    """Where a link points; None if ``name`` is no link.

    :raises FileNotFoundError: there is nothing of that name.
    """
    if not stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        return None
    return os.readlink(name, dir_fd=folder)


def open_in_root(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """Open ``path`` as a process would whose root folder is ``root_fd``.

    :param root_fd: a descriptor of the root folder; stays open and unmoved.
    :param path: absolute or not, both from the root.
    :param flags: of open(2); O_CLOEXEC is added. With O_NOFOLLOW a link at the end is not followed.
    :returns: a new descriptor, the caller's to close.
    :raises OSError: as open(2); ELOOP after 40 links.
    """
    stack = [os.open(".", _FOLDER, dir_fd=root_fd)]
    todo = _parts(path)[::-1]
    links = 0
    try:
        while todo:
            name = todo.pop()
            if name == "..":
                if len(stack) > 1:
                    os.close(stack.pop())
                continue
            last = not todo
            if last and (flags & os.O_NOFOLLOW or (flags & os.O_CREAT and flags & os.O_EXCL)):
                return _step(stack[-1], name, flags, mode)
            try:
                target = _link_target(stack[-1], name)
            except FileNotFoundError:
                if last and flags & os.O_CREAT:
                    return _step(stack[-1], name, flags, mode)
                raise
            if target is not None:
                links += 1
                if links > _MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    while len(stack) > 1:
                        os.close(stack.pop())
                todo.extend(_parts(target)[::-1])
                continue
            if last:
                return _step(stack[-1], name, flags, mode)
            stack.append(_step(stack[-1], name, _FOLDER, 0))
        return os.open(".", flags & ~os.O_CREAT | os.O_CLOEXEC, dir_fd=stack[-1])
    finally:
        for fd in stack:
            os.close(fd)


def mkdir_in_root(root_fd: int, path: str, *, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
    """Make a folder and the missing ones above it, owned by ``uid:gid``; nothing happens where it exists.

    A process's umask does not count. A link whose target is missing is not followed into being.

    :raises NotADirectoryError: something else lies there.
    :raises OSError: as mkdir(2).
    """
    parts = _parts(path)
    for index in range(len(parts)):
        partial = "/".join(parts[:index + 1])
        try:
            os.close(open_in_root(root_fd, partial, os.O_PATH | os.O_DIRECTORY))
            continue
        except FileNotFoundError:
            # From here on the folders are to be made.
            pass
        parent = open_in_root(root_fd, "/".join(parts[:index]), os.O_PATH | os.O_DIRECTORY)
        try:
            os.mkdir(parts[index], mode, dir_fd=parent)
            made = os.open(parts[index], os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                os.fchown(made, uid, gid)
                os.fchmod(made, mode)
            finally:
                os.close(made)
        finally:
            os.close(parent)


def read_in_root(root_fd: int, path: str, limit: int) -> bytes | None:
    """The content of a regular file beneath the root; None where there is none.

    :param limit: most bytes to read.
    :raises OSError: EFBIG where it is larger, EINVAL where it is no regular file (a FIFO would block for ever).
    """
    try:
        place = open_in_root(root_fd, path, os.O_PATH)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # Looked at before it is opened: opening a device or a FIFO already has effects.
        if not stat.S_ISREG(os.fstat(place).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        fd = os.open(f"/proc/self/fd/{place}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(place)
    try:
        chunks: list[bytes] = []
        left = limit + 1
        while left > 0 and (chunk := os.read(fd, min(left, 1 << 16))):
            chunks.append(chunk)
            left -= len(chunk)
        if left <= 0:
            raise OSError(errno.EFBIG, f"larger than {limit} bytes", path)
        return b"".join(chunks)
    finally:
        os.close(fd)
