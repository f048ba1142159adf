"""Copy a tree: data (shared where the file system can), holes, hard links, owners, modes, times, extended attributes,
devices, fifos, symlinks."""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable

from ..cancel import Cancel

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409
_NO_CLONE = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM)
_AT_ONCE = 1 << 26
_LONGEST = 4000


def copy_tree(source: str, target: str, cancel: Cancel) -> None:
    """Copy everything beneath the folder ``source``, and its own attributes, into the empty folder ``target``.

    :raises OSError: whatever the system says; what was written stays.
    :raises Cancelled, DeadlineExceeded: by ``cancel``, asked at every folder and every 64 MiB.
    """
    inward = os.open(source, _FOLDER)
    try:
        outward = os.open(target, _FOLDER)
        try:
            copy_between(inward, outward, cancel)
        finally:
            os.close(outward)
    finally:
        os.close(inward)


def copy_between(source: int, target: int, cancel: Cancel) -> None:
    """As :func:`copy_tree`, between two open folders, which stay open."""
    _Copier(source, target, cancel).run()


class _Copier:
    """One copy. Mounts beneath the source are not entered: they stay empty folders."""

    def __init__(self, source: int, target: int, cancel: Cancel) -> None:
        self._cancel = cancel
        self._source = source
        self._target = target
        self._device = os.fstat(source).st_dev
        self._links: dict[int, str] = {}
        self._clone = True

    def run(self) -> None:
        pending = [""]
        folders = []
        while pending:
            self._cancel.check()
            path = pending.pop()
            source = _open_folder(self._source, path)
            try:
                target = _open_folder(self._target, path)
                try:
                    state = os.fstat(source)
                    describe(source, target, state)
                    folders.append((path, state.st_mtime_ns))
                    if state.st_dev == self._device:
                        pending += self._entries(path, source, target)
                finally:
                    os.close(target)
            finally:
                os.close(source)
        for path, when in reversed(folders):
            folder = _open_folder(self._target, path)
            try:
                os.utime(folder, ns=(when, when))
            finally:
                os.close(folder)

    def _entries(self, path: str, source: int, target: int) -> list[str]:
        folders = []
        for name in os.listdir(source):
            below = f"{path}/{name}" if path else name
            state = os.stat(name, dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(state.st_mode):
                os.mkdir(name, 0o700, dir_fd=target)
                folders.append(below)
                continue
            if state.st_nlink > 1 and state.st_dev == self._device:
                first = self._links.setdefault(state.st_ino, below)
                if first != below:
                    self._link(first, name, target)
                    continue
            if stat.S_ISREG(state.st_mode):
                self._file(name, source, target)
            else:
                self._node(name, source, target, state)
        return folders

    def _link(self, first: str, name: str, target: int) -> None:
        where, _, base = first.rpartition("/")
        folder = _open_folder(self._target, where)
        try:
            os.link(base, name, src_dir_fd=folder, dst_dir_fd=target, follow_symlinks=False)
        finally:
            os.close(folder)

    def _file(self, name: str, source: int, target: int) -> None:
        inward = os.open(name, _READ, dir_fd=source)
        try:
            self._clone = copy_file(inward, name, target, describe, self._cancel, clone=self._clone)
        finally:
            os.close(inward)

    def _node(self, name: str, source: int, target: int, state: os.stat_result) -> None:
        if stat.S_ISSOCK(state.st_mode):
            return
        if stat.S_ISLNK(state.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, state.st_mode, state.st_rdev, dir_fd=target)
        os.chown(name, state.st_uid, state.st_gid, dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(state.st_mode):
            os.chmod(name, stat.S_IMODE(state.st_mode), dir_fd=target)
        old, new = f"/proc/self/fd/{source}/{name}", f"/proc/self/fd/{target}/{name}"
        for attribute in os.listxattr(old, follow_symlinks=False):
            _set(new, attribute, os.getxattr(old, attribute, follow_symlinks=False))
        os.utime(name, ns=(state.st_mtime_ns, state.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def copy_file(source: int, name: str | bytes, folder: int, describe: Callable[[int, int, os.stat_result], None], cancel: Cancel,
              *, clone: bool = True) -> bool:
    """Copy an open regular file to a new one.

    :param folder: of the new one, a descriptor.
    :param describe: see :func:`describe`; called once the content is there.
    :param clone: with what is returned as in :func:`copy_data`.
    :raises OSError: as the system calls do; what is there of the new one stays.
    """
    target = os.open(name, _CREATE, 0o600, dir_fd=folder)
    try:
        state = os.fstat(source)
        if state.st_size:
            clone = copy_data(source, target, state, cancel, clone=clone)
        describe(source, target, state)
        os.utime(target, ns=(state.st_mtime_ns, state.st_mtime_ns))
    finally:
        os.close(target)
    return clone


def describe(source: int, target: int, state: os.stat_result) -> None:
    """Give an open file or folder the owner, the extended attributes and the mode of another one.

    :param state: of ``source``.
    :raises OSError: whatever the system says.
    """
    os.fchown(target, state.st_uid, state.st_gid)
    for name in os.listxattr(source):
        _set(target, name, os.getxattr(source, name))
    os.fchmod(target, stat.S_IMODE(state.st_mode))


def _open_folder(top: int, path: str) -> int:
    """Open a folder beneath ``top``, however long its path is: a system call takes 4096 bytes, a tree may be deeper."""
    if len(path) <= _LONGEST // 4:
        return os.open(path or ".", _FOLDER, dir_fd=top)
    here, rest = os.open(".", _FOLDER, dir_fd=top), os.fsencode(path)
    while rest:
        cut = len(rest) if len(rest) <= _LONGEST else rest.rindex(b"/", 0, _LONGEST)
        try:
            inner = os.open(rest[:cut], _FOLDER, dir_fd=here)
        finally:
            os.close(here)
        here, rest = inner, rest[cut + 1:]
    return here


def copy_data(source: int, target: int, state: os.stat_result, cancel: Cancel, *, clone: bool = True) -> bool:
    """Copy a file's bytes into an empty one: shared where the file system can, holes kept.

    :param state: of ``source``.
    :param clone: False: do not try to share; it did not work before.
    :returns: whether sharing is worth another try between these two file systems.
    :raises OSError: whatever the system says. :raises Cancelled, DeadlineExceeded: by ``cancel``.
    """
    if clone:
        import fcntl

        try:
            fcntl.ioctl(target, _FICLONE, source)
            return True
        except OSError as error:
            if error.errno not in _NO_CLONE:
                raise
    end, at = state.st_size, 0
    whole = state.st_blocks * 512 >= end
    while at < end:
        stop = end
        if not whole:
            try:
                at = os.lseek(source, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    raise
                break
            stop = os.lseek(source, at, os.SEEK_HOLE)
        at = _copy_range(source, target, at, stop, cancel)
    if not whole:
        os.ftruncate(target, end)
    return False


def _set(target: int | str, name: str, value: bytes) -> None:
    try:
        os.setxattr(target, name, value, follow_symlinks=isinstance(target, int))
    except OSError as error:
        # another file system may know less; without its capability a program is not what it was
        if error.errno != errno.ENOTSUP or name == "security.capability":
            raise


def _copy_range(source: int, target: int, start: int, stop: int, cancel: Cancel) -> int:
    """Copy bytes at the same offsets, within the kernel where it can; returns where it ended, which is ``stop`` unless the source
    is shorter."""
    at, ways = start, [_ranged, _sent, _written]
    while at < stop:
        cancel.check()
        try:
            count = ways[0](source, target, at, min(stop - at, _AT_ONCE))
        except OSError as error:
            if error.errno not in _NO_CLONE or len(ways) == 1:
                raise
            del ways[0]  # from another file system, say
            continue
        if count:
            at += count
        elif len(ways) > 1:
            del ways[0]  # some files of the kernel's own say so before their end
        else:
            return stop
    return at


def _ranged(source: int, target: int, at: int, count: int) -> int:
    return os.copy_file_range(source, target, count, at, at)


def _sent(source: int, target: int, at: int, count: int) -> int:
    os.lseek(target, at, os.SEEK_SET)
    return os.sendfile(target, source, at, count)


def _written(source: int, target: int, at: int, count: int) -> int:
    return os.pwrite(target, os.pread(source, min(count, 1 << 20), at), at)
