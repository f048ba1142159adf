"""What was staged gets its place: by rename where that is possible, folder by folder where both sides have one.

Two things cannot be renamed onto: a file that is itself a mount point, as a container's /etc/hosts, which is written in place
(its owner and mode stay); and what lies in a folder on another file system, which is staged there a second time.
"""

from __future__ import annotations

import errno
import os
import stat

from ...cancel import Cancel
from ...mounts import mount_id
from ...support.copying import copy_data
from ...support.trees import remove_entry
from ..failure import Refused
from ..tree import FOLDER_FLAGS, state_of
from .copier import Copier
from .described import described
from .places import quoted
from .staging import Staging

_DEEPEST = 400
_AT = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Publisher:
    """Places what is staged.

    :param overwrite: a folder may take the place of what is none, and the other way round.
    :param silent: paths in the staged tree of folders that nobody described: they leave one that is there as it is.
    :param token: see :mod:`.staging`.
    """

    def __init__(self, staging: Staging, token: str, *, overwrite: bool, silent: frozenset[bytes], cancel: Cancel) -> None:
        self._staging = staging
        self._token = token
        self._overwrite = overwrite
        self._silent = silent
        self._cancel = cancel

    def run(self) -> None:
        """Look first whether everything can have its place, then let it have it.

        :raises Refused: a folder lies where a file is to go, or the other way round; nothing was changed then.
        :raises OSError: whatever the system says. What has its place by then stays.
        """
        self._look(self._staging.fd, self._staging.target, b"")
        self._merge(self._staging.fd, self._staging.target, b"")

    def _look(self, staged: int, target: int, path: bytes) -> None:
        for base in os.listdir(staged):
            name = os.fsencode(base)
            there = state_of(target, name)
            if there is None:
                continue
            mine = os.stat(name, dir_fd=staged, follow_symlinks=False)
            if stat.S_ISDIR(mine.st_mode) != stat.S_ISDIR(there.st_mode):
                if not self._overwrite:
                    raise _clash(path + name, folder=stat.S_ISDIR(mine.st_mode))
            elif stat.S_ISDIR(mine.st_mode):
                if path.count(b"/") > _DEEPEST:
                    raise Refused(f"there are more than {_DEEPEST} folders in each other where it is to go")
                one, other = os.open(name, FOLDER_FLAGS, dir_fd=staged), os.open(name, FOLDER_FLAGS, dir_fd=target)
                try:
                    self._look(one, other, path + name + b"/")
                finally:
                    os.close(one)
                    os.close(other)

    def _merge(self, staged: int, target: int, path: bytes) -> None:
        for base in os.listdir(staged):
            self._cancel.check()
            name = os.fsencode(base)
            mine, there = os.stat(name, dir_fd=staged, follow_symlinks=False), state_of(target, name)
            if there is not None and stat.S_ISDIR(mine.st_mode) and stat.S_ISDIR(there.st_mode):
                self._folder(staged, target, name, path)
                continue
            clash = there is not None and stat.S_ISDIR(mine.st_mode) != stat.S_ISDIR(there.st_mode)
            if clash and not self._overwrite:
                raise _clash(path + name, folder=stat.S_ISDIR(mine.st_mode))
            if there is not None and _is_mount(target, name):
                self._in_place(staged, target, name, mine)
                continue
            if clash:
                remove_entry(target, name)
            self._place(staged, target, name)

    def _folder(self, staged: int, target: int, name: bytes, path: bytes) -> None:
        one, other = os.open(name, FOLDER_FLAGS, dir_fd=staged), os.open(name, FOLDER_FLAGS, dir_fd=target)
        try:
            state = os.fstat(one)
            self._merge(one, other, path + name + b"/")
            if path + name not in self._silent:
                described(one, other, state, None)
        finally:
            os.close(one)
            os.close(other)

    def _place(self, staged: int, target: int, name: bytes) -> None:
        try:
            os.rename(name, name, src_dir_fd=staged, dst_dir_fd=target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._restage(staged, target, name)

    def _in_place(self, staged: int, target: int, name: bytes, mine: os.stat_result) -> None:
        at = os.open(name, _AT, dir_fd=target)
        try:
            if not stat.S_ISREG(os.fstat(at).st_mode) or not stat.S_ISREG(mine.st_mode):
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
            out = os.open(b"/proc/self/fd/%d" % at, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC)
        finally:
            os.close(at)
        try:
            source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=staged)
            try:
                copy_data(source, out, os.fstat(source), self._cancel)
            finally:
                os.close(source)
        finally:
            os.close(out)

    def _restage(self, staged: int, target: int, name: bytes) -> None:
        """Of all hard links among what is copied, those into this folder are whole again, and no others."""
        here = Staging(target, self._token)
        try:
            copier = Copier(None, devices=True, hidden=frozenset(), never=here.identity, cancel=self._cancel)
            copier.copy(staged, name, here.fd, name)
            os.rename(name, name, src_dir_fd=here.fd, dst_dir_fd=target)
        finally:
            here.remove()


def _is_mount(folder: int, name: bytes) -> bool:
    """Whether something is mounted there. rename(2) and unlink(2) say so of mounts in the namespace of whoever calls; those of a
    container they would take away, so that a container's /etc/hosts were no more what everybody thinks it is."""
    at = os.open(name, _AT, dir_fd=folder)
    try:
        return mount_id(at) != mount_id(folder)
    finally:
        os.close(at)


def _clash(path: bytes, *, folder: bool) -> Refused:
    shown = quoted(path.decode("utf-8", "surrogateescape"))
    what = "a folder over what is none" if folder else "what is no folder over a folder"
    return Refused(f"cannot copy {shown}: it would be {what}", "give --overwrite to let it take that place")
