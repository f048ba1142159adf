"""Folders beneath a root, opened component by component and kept open. No path can leave the root.

A symlink in the way is followed as a process chrooted to the root would follow it: absolute targets start at the root,
``..`` stops there. Every open is one component relative to a descriptor, with O_NOFOLLOW; ``..`` is never opened.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Callable

from .failure import NeedsParent, Refused, show

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEPT_OPEN = 300
_KEPT_NAMES = 4096
_KEPT_TIMES = 8192
_MAX_LINKS = 40


class Folder:
    """An open folder. ``path`` is canonical, relative to the root, without symlinks; ``b""`` is the root.

    ``setgid``: what is created in it does not get the creator's group.
    """

    __slots__ = ("fd", "path", "setgid")

    def __init__(self, fd: int, path: bytes, setgid: bool) -> None:
        self.fd = fd
        self.path = path
        self.setgid = setgid

    def join(self, name: bytes) -> bytes:
        """The canonical path of an entry of this folder."""
        return self.path + b"/" + name if self.path else name


class Beneath:
    """Finds folders beneath a root.

    :param fd: the root's descriptor; not closed here.
    :param alone: True where the root shows one layer without what lies below: a folder that is not there, or is
        behind a symlink, then raises NeedsParent instead of being made or followed.
    :param depth: components of a path after which it is refused.
    :param replaceable: asked about the canonical path of something that is no folder where one is needed: True lets an
        undescribed folder take its place, as it would lie over a lower layer's entry.

    :ivar implied: canonical paths of folders that were made because something lies in them; None where nobody asks.
    :ivar times: canonical path of each folder that was opened or made -> the mtime it is to end with, in nanoseconds.
    """

    def __init__(self, fd: int, *, alone: bool, depth: int,
                 replaceable: Callable[[bytes], bool]) -> None:
        state = os.fstat(fd)
        self.root = Folder(fd, b"", bool(state.st_mode & stat.S_ISGID))
        self.times: dict[bytes, int] = {b"": state.st_mtime_ns}
        self.implied: set[bytes] | None = None
        self._alone = alone
        self._depth = depth
        self._replaceable = replaceable
        self._by_name: dict[bytes, Folder] = {}
        self._by_path: dict[bytes, Folder] = {}

    def tidy(self) -> None:
        """Close folders where many are open, and forget what is known of many. Those found before are invalid afterwards."""
        if len(self.times) > _KEPT_TIMES:
            self.settle()
        elif len(self._by_path) > _KEPT_OPEN or len(self._by_name) > _KEPT_NAMES:
            self.forget()

    def settle(self) -> None:
        """Give every folder the mtime it is to have. One that is opened again has it, and will end with it again: so no more
        need be remembered than what is worked on."""
        self.forget()
        for path in sorted(self.times, reverse=True):
            if path:
                where, _, base = path.rpartition(b"/")
                when = self.times[path]
                os.utime(base, ns=(when, when), dir_fd=self._only(where).fd, follow_symlinks=False)
        when = self.times[b""]
        os.utime(self.root.fd, ns=(when, when))
        self.forget()
        self.times = {b"": when}

    def _only(self, path: bytes) -> Folder:
        """Open a folder, and close others where many are open."""
        if len(self._by_path) > _KEPT_OPEN:
            self.forget()
        return self.reopen(path)

    def forget(self) -> None:
        """Close everything but the root: after a folder or symlink was removed, and at the end."""
        for folder in self._by_path.values():
            os.close(folder.fd)
        self._by_path.clear()
        self._by_name.clear()

    def lost(self, path: bytes) -> None:
        """The folder (or symlink) with this canonical path was removed, with all in it."""
        self.forget()
        prefix = path + b"/"
        for known in [p for p in self.times if p == path or p.startswith(prefix)]:
            del self.times[known]

    def folder(self, name: bytes, *, make: bool = True) -> Folder | None:
        """The folder an archive calls ``name`` (raw: may begin with ``/`` or ``./``, hold ``//`` and inner ``..``).

        :param make: folders that are not there are made, 0755 and of the epoch, as they are nowhere described;
            otherwise None is returned.
        :raises Refused: it is too deep, or something on the way is no folder.
        """
        found = self._by_name.get(name)
        if found is None:
            parts = self.parts(name)
            if len(parts) >= self._depth:
                raise Refused(f"what lies in {show(name)} has more than {self._depth} components")
            found = self._walk(self.root, parts, make, [0])
            if found is not None:
                self._by_name[name] = found
        return found

    def reopen(self, path: bytes) -> Folder:
        """The folder with this canonical path, which is there; symlinks are not followed."""
        if not path:
            return self.root
        found = self._by_path.get(path)
        if found is None:
            where, _, base = path.rpartition(b"/")
            found = self._opened(self.reopen(where), base, path)
        return found

    def parts(self, name: bytes) -> list[bytes]:
        """The components of a raw name, cleaned lexically; ``..`` stops at the root, as with other engines."""
        parts: list[bytes] = []
        for part in name.split(b"/"):
            if part == b"..":
                del parts[-1:]
            elif part not in (b"", b"."):
                parts.append(part)
        return parts

    def _walk(self, start: Folder, parts: list[bytes], make: bool, links: list[int]) -> Folder | None:
        here: Folder | None = start
        for part in parts:
            if here is None:
                return None
            if part == b"..":
                here = self._walk(self.root, here.path.split(b"/")[:-1], make, links) if here.path else here
            elif part not in (b"", b"."):
                here = self._by_path.get(here.join(part)) or self._step(here, part, make, links)
        return here

    def _step(self, here: Folder, part: bytes, make: bool, links: list[int]) -> Folder | None:
        path = here.join(part)
        try:
            return self._opened(here, part, path)
        except FileNotFoundError:
            if not make and not self._alone:
                return None
            if self._alone:
                raise NeedsParent(f"the folder {show(path)} is not described in the layer") from None
            return self._undescribed(here, part, path)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
        return self._not_a_folder(here, part, make, links)

    def _undescribed(self, here: Folder, part: bytes, path: bytes) -> Folder:
        os.mkdir(part, 0o755, dir_fd=here.fd)
        if here.setgid:
            os.chown(part, 0, 0, dir_fd=here.fd, follow_symlinks=False)
            change_mode(here.fd, part, 0o755)
        self.times[path] = 0
        if self.implied is not None:
            self.implied.add(path)
        return self._opened(here, part, path)

    def _opened(self, here: Folder, part: bytes, path: bytes) -> Folder:
        fd = os.open(part, _OPEN, dir_fd=here.fd)
        state = os.fstat(fd)
        self.times.setdefault(path, state.st_mtime_ns)
        found = self._by_path[path] = Folder(fd, path, bool(state.st_mode & stat.S_ISGID))
        return found

    def _not_a_folder(self, here: Folder, part: bytes, make: bool, links: list[int]) -> Folder | None:
        state = os.stat(part, dir_fd=here.fd, follow_symlinks=False)
        path = here.join(part)
        if not stat.S_ISLNK(state.st_mode) and not make:
            return None
        if stat.S_ISCHR(state.st_mode) and state.st_rdev == 0 and self._alone:
            raise NeedsParent(f"the folder {show(path)} is deleted and not described in the layer")
        if not stat.S_ISLNK(state.st_mode):
            if not self._replaceable(path):
                raise Refused(f"{show(path)} is used as a folder and is none")
            os.unlink(part, dir_fd=here.fd)
            return self._undescribed(here, part, path)
        if self._alone:
            raise NeedsParent(f"the folder {show(path)} is a symlink")
        links[0] += 1
        if links[0] > _MAX_LINKS:
            raise Refused(f"{show(path)} goes through too many symlinks")
        target = os.readlink(part, dir_fd=here.fd)
        return self._walk(self.root if target.startswith(b"/") else here, target.split(b"/"), make, links)


def change_mode(folder: int, name: bytes, mode: int) -> None:
    """chmod(2) of an entry that may have become a link meanwhile, which chmod(2) would follow."""
    at = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.chmod(b"/proc/self/fd/%d" % at, mode)
    finally:
        os.close(at)
