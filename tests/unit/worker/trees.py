"""Trees as they are compared, and the jobs that make layers of them."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from conman_kernel.cancel import Cancel
from conman_kernel.slots.storage import Whiteouts
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import ChangesRequest, PackRequest, PackResult, UnpackRequest, UnpackResult


class Node(NamedTuple):
    """What a layer keeps of one entry. ``same``: the first path that is the same file."""

    mode: int
    owner: tuple[int, int]
    mtime: int
    device: int
    data: bytes | str
    xattrs: tuple[tuple[str, bytes], ...]
    same: str


def picture(root: Path) -> dict[str, Node]:
    """Every entry beneath ``root``, sockets left out."""
    found, first = {}, dict[tuple[int, int], str]()
    for path in sorted(root.rglob("*")):
        state, name = path.lstat(), str(path.relative_to(root))
        if stat.S_ISSOCK(state.st_mode):
            continue
        is_file, is_link = stat.S_ISREG(state.st_mode), stat.S_ISLNK(state.st_mode)
        inode = (state.st_dev, state.st_ino)
        same = "" if stat.S_ISDIR(state.st_mode) else first.setdefault(inode, name)
        found[name] = Node(
            state.st_mode, (state.st_uid, state.st_gid), state.st_mtime_ns, state.st_rdev,
            path.read_bytes() if is_file else os.readlink(path) if is_link else b"",
            tuple((key, os.getxattr(path, key, follow_symlinks=False)) for key in
                  sorted(os.listxattr(path, follow_symlinks=False)) if not key.startswith(("trusted.overlay.", "security.selinux"))),
            same)
    return found


class Trees:
    """Calls the worker with folders instead of descriptors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blob = folder / "layer"

    def make(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir()
        return path

    def pack(self, upper: Path, lower: Path | None = None, *, form: Whiteouts = Whiteouts.APPLIED, compression: str = "none",
             exclude: tuple[str, ...] = (), plain: bool = False) -> PackResult:
        above, below = _open(upper), None if lower is None else _open(lower)
        try:
            with self.blob.open("wb") as out:
                return Worker().pack(PackRequest(above, below, form, out.fileno(), Cancel(60), compression, exclude, plain))
        finally:
            _close(above, below)

    def changes(self, upper: Path, lower: Path | None = None, *, form: Whiteouts = Whiteouts.APPLIED,
                exclude: tuple[str, ...] = ()) -> list[str]:
        above, below = _open(upper), None if lower is None else _open(lower)
        try:
            return [f"{kind} {path}" for kind, path in Worker().changes(ChangesRequest(above, below, form, Cancel(60), exclude))]
        finally:
            _close(above, below)

    def unpack(self, target: Path, *, alone: bool = False, base: bool = False) -> UnpackResult:
        """The layer that was packed last; onto what ``target`` holds, or as one layer of overlayfs."""
        fd = _open(target)
        try:
            with self.blob.open("rb") as blob:
                return Worker().unpack(UnpackRequest(blob.fileno(), fd, "", Whiteouts.OVERLAY if alone else Whiteouts.APPLIED,
                                                     Cancel(60), merged=not alone and not base, base=base))
        finally:
            _close(fd, None)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def _close(*fds: int | None) -> None:
    for fd in fds:
        if fd is not None:
            os.close(fd)
