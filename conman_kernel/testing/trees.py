"""Compare two directory trees entry by entry, and say every difference, not the first."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import Iterable, NamedTuple


class Entry(NamedTuple):
    """What one entry of a tree is.

    :param kind: ``file``, ``folder``, ``symlink``, ``char``, ``block``, ``fifo`` or ``socket``.
    :param mode: permission bits, special ones included.
    :param size: bytes of a file; 0 otherwise.
    :param mtime: nanoseconds.
    :param xattrs: extended attributes by name.
    :param links: paths that are hard links of one file, itself included, sorted; empty for a single one.
    :param device: ``(major, minor)`` of a device.
    :param target: of a symlink.
    :param content: SHA-256 of a file's bytes.
    """

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    xattrs: tuple[tuple[str, bytes], ...]
    links: tuple[str, ...]
    device: tuple[int, int] | None
    target: str | None
    content: str | None


_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char",
          stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}


def read_tree(root: str, *, content: bool = True) -> dict[str, Entry]:
    """Every entry beneath ``root`` by its path relative to it; ``.`` is the root itself. Symlinks are not followed.

    :param content: False leaves the files' bytes unread.
    """
    found: dict[str, os.stat_result] = {".": os.lstat(root)}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = os.lstat(path)
    groups: dict[tuple[int, int], list[str]] = {}
    for path, state in found.items():
        if state.st_nlink > 1 and not stat.S_ISDIR(state.st_mode):
            groups.setdefault((state.st_dev, state.st_ino), []).append(path)
    groups = {key: sorted(paths) for key, paths in groups.items() if len(paths) > 1}
    return {path: _entry(os.path.join(root, path), state, tuple(groups.get((state.st_dev, state.st_ino), ())), content)
            for path, state in found.items()}


def _entry(path: str, state: os.stat_result, links: tuple[str, ...], content: bool) -> Entry:
    kind = _KINDS[stat.S_IFMT(state.st_mode)]
    names = sorted(os.listxattr(path, follow_symlinks=False))
    digest = None
    if kind == "file" and content:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Entry(
        kind=kind, mode=stat.S_IMODE(state.st_mode), uid=state.st_uid, gid=state.st_gid,
        size=state.st_size if kind == "file" else 0, mtime=state.st_mtime_ns,
        xattrs=tuple((name, os.getxattr(path, name, follow_symlinks=False)) for name in names),
        links=() if kind == "folder" else links,
        device=(os.major(state.st_rdev), os.minor(state.st_rdev)) if kind in ("char", "block") else None,
        target=os.readlink(path) if kind == "symlink" else None, content=digest,
    )


def differences(left: str, right: str, *, content: bool = True, root: bool = True, seconds: bool = False,
                timeless: Iterable[str] = ()) -> list[str]:
    """How two trees differ, one line a difference, sorted by path; an empty list where they are the same.

    :param content: compare the files' bytes.
    :param root: compare the two roots' own attributes as well.
    :param seconds: compare times by whole seconds.
    :param timeless: paths whose mtime is left out: folders that no layer describes, which some tools date "now".
    """
    ours, theirs, undated = read_tree(left, content=content), read_tree(right, content=content), set(timeless)
    lines = []
    for path in sorted({*ours, *theirs}):
        one, other = ours.get(path), theirs.get(path)
        if path == "." and not root:
            continue
        if one is None or other is None:
            lines.append(f"{path}: only in {left if other is None else right}")
            continue
        for field, here, there in zip(Entry._fields, one, other):
            if field == "mtime" and (path in undated or (seconds and one.mtime // 10**9 == other.mtime // 10**9)):
                continue
            if here != there:
                lines.append(f"{path}: {field} is {here!r} in {left}, {there!r} in {right}")
    return lines
