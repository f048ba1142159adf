"""Two folders of a storage driver, entry by entry, until the first difference."""

from __future__ import annotations

import os
import stat
from typing import Iterator

from ..cancel import Cancel

_CHUNK = 1 << 20
_OPAQUE = "trusted.overlay.opaque"
_OVERLAYS_OWN = "trusted.overlay."
"""What overlayfs notes for itself differs from one unpacking to the next; of it only ``opaque`` says what a layer is."""


def first_difference(one: str, other: str, cancel: Cancel) -> str:
    """What differs first between two trees, for a person; empty where nothing does.

    Compared are kind, owner, permissions, content, link targets, devices, extended attributes, and times but for those of
    folders: a folder that no layer describes has the time of its unpacking. Symlinks are not followed.
    """
    for path in _walk(one, "", cancel):
        told = _entry(f"{one}/{path}" if path else one, f"{other}/{path}" if path else other, cancel)
        if told:
            return f"/{path}: {told}"
    return ""


def _walk(top: str, path: str, cancel: Cancel) -> Iterator[str]:
    waiting = [path]
    while waiting:
        cancel.check()
        path = waiting.pop()
        yield path
        with os.scandir(f"{top}/{path}" if path else top) as entries:
            for entry in entries:
                inner = f"{path}/{entry.name}" if path else entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(inner)
                else:
                    yield inner


def _entry(one: str, other: str, cancel: Cancel) -> str:
    here = os.lstat(one)
    try:
        there = os.lstat(other)
    except (FileNotFoundError, NotADirectoryError):
        return "is gone"
    if stat.S_IFMT(here.st_mode) != stat.S_IFMT(there.st_mode):
        return "is of another kind"
    if (here.st_mode, here.st_uid, here.st_gid) != (there.st_mode, there.st_uid, there.st_gid):
        return "has another owner or other permissions"
    if _attributes(one) != _attributes(other):
        return "has other extended attributes"
    if stat.S_ISDIR(here.st_mode):
        more = sorted(set(os.listdir(other)) - set(os.listdir(one)))
        return f"holds {more[0]}, which is not in the layer" if more else ""
    if here.st_mtime_ns != there.st_mtime_ns and not stat.S_ISCHR(here.st_mode):
        return "has another time"
    if stat.S_ISLNK(here.st_mode) and os.readlink(one) != os.readlink(other):
        return "points elsewhere"
    if here.st_rdev != there.st_rdev:
        return "is another device"
    if stat.S_ISREG(here.st_mode) and (here.st_size != there.st_size or not _same_content(one, other, cancel)):
        return "has other content"
    return ""


def _attributes(path: str) -> dict[str, bytes]:
    names = os.listxattr(path, follow_symlinks=False)
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names
            if name == _OPAQUE or not name.startswith(_OVERLAYS_OWN)}


def _same_content(one: str, other: str, cancel: Cancel) -> bool:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(one, flags), "rb", buffering=0) as left, open(os.open(other, flags), "rb", buffering=0) as right:
        while True:
            cancel.check()
            data = left.read(_CHUNK)
            if data != right.read(_CHUNK):
                return False
            if not data:
                return True
