"""Extended attributes of what a layer is made of, and what overlayfs notes in its own.

Source: the kernel's "Overlay Filesystem" (whiteouts and opaque directories, redirects, metadata only copy up).
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Mapping

from .failure import Unsuited, show

OVERLAY_PREFIXES = (b"trusted.overlay.", b"user.overlay.")
#: what belongs to the host (labels, hashes with its keys) or to overlayfs, and not to the tree
_LEFT_OUT = (*OVERLAY_PREFIXES, b"security.selinux", b"security.evm", b"security.ima", b"security.apparmor")
_ABSENT = (errno.ENODATA, errno.ENOTSUP, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EPERM, errno.EACCES)
_NONE: Mapping[bytes, bytes] = {}


def inside(folder: int, base: bytes) -> bytes:
    """A path for the calls that take no descriptor of a folder; never followed at its end."""
    return b"/proc/self/fd/%d/%b" % (folder, base)


def read(target: int | bytes, *, follow: bool = False) -> Mapping[bytes, bytes]:
    """What is to be kept, by raw name. What vanishes meanwhile is not there.

    :param follow: follow a link at the end of a path: one of ``/proc/self/fd``, which leads to the very thing that is open.
    """
    try:
        names = os.listxattr(target) if isinstance(target, int) else os.listxattr(target, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return _NONE
    if not names:
        return _NONE
    found = {}
    for name in names:
        raw = os.fsencode(name)
        value = None if raw.startswith(_LEFT_OUT) else _value(target, raw, follow=follow)
        if value is not None:
            found[raw] = value
    return found


def _value(target: int | bytes, name: bytes, *, follow: bool = False) -> bytes | None:
    try:
        return os.getxattr(target, name) if isinstance(target, int) else os.getxattr(target, name, follow_symlinks=follow)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return None


def overlay(target: int | bytes, name: bytes) -> bytes | None:
    """One of overlayfs's own, by the tail of its name; None where it is not set."""
    for prefix in OVERLAY_PREFIXES:
        if (value := _value(target, prefix + name)) is not None:
            return value
    return None


def is_opaque(folder: int) -> bool:
    """True where nothing below this folder of a layer is seen through it."""
    return overlay(folder, b"opaque") == b"y"


def is_whiteout(state: os.stat_result) -> bool:
    """True for the device that stands for a deletion."""
    return stat.S_ISCHR(state.st_mode) and state.st_rdev == 0


def refuse_references(root: int) -> None:
    """Look through a layer of overlayfs for entries whose data or children lie in other layers.

    :raises Unsuited: there is one; then only the mounted tree shows what it holds.
    """
    from .tree import FOLDER_FLAGS

    here = os.open(".", FOLDER_FLAGS, dir_fd=root)
    levels = [(b"", here, iter(os.listdir(here)))]
    try:
        while levels:
            path, here, names = levels[-1]
            name = next(names, None)
            if name is None:
                levels.pop()
                os.close(here)
                continue
            where = path + b"/" + os.fsencode(name)
            inner = _look(here, os.fsencode(name), where)
            if inner >= 0:
                levels.append((where, inner, iter(os.listdir(inner))))
    finally:
        for _, fd, _ in levels:
            os.close(fd)


def _look(here: int, base: bytes, where: bytes) -> int:
    """The open folder where it is one, else -1."""
    from .tree import open_folder, state_of

    state = state_of(here, base)
    if state is None:
        return -1
    if stat.S_ISREG(state.st_mode) and state.st_size and overlay(inside(here, base), b"metacopy") is not None:
        raise Unsuited(f"the data of {show(where)} lies in another layer (overlayfs metacopy)")
    own = open_folder(here, base) if stat.S_ISDIR(state.st_mode) else -1
    if own >= 0 and overlay(own, b"redirect") is not None:
        os.close(own)
        raise Unsuited(f"what lies in {show(where)} lies in another layer (overlayfs redirect_dir)")
    return own
