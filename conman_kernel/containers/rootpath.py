"""Opening paths beneath a root file system that is not trusted: no link, however absolute, leads out of it.

How the way is found, and why nothing that a process in the container renames meanwhile leads out of it, says
:mod:`conman_kernel.worker.inroot`.
"""

from __future__ import annotations

import errno
import os
import stat

from ..worker.inroot import resolve


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part and part != "."]


def open_in_root(root_fd: int, path: str, flags: int, mode: int = 0) -> int:
    """Open ``path`` as a process would whose root folder is ``root_fd``.

    :param root_fd: a descriptor of the root folder; stays open and unmoved.
    :param path: absolute or not, both from the root.
    :param flags: of open(2); O_CLOEXEC is added. With O_NOFOLLOW a link at the end is not followed.
    :returns: a new descriptor, the caller's to close.
    :raises OSError: as open(2); ELOOP after 40 links.
    """
    new = bool(flags & os.O_CREAT)
    exact = bool(flags & os.O_NOFOLLOW or (new and flags & os.O_EXCL))
    with resolve(root_fd, os.fsencode(path), follow=not exact) as place:
        if place.state is None and not new:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return place.open(flags, mode)


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
