"""Can subvolumes be kept in the state folder? Looks, and changes nothing."""

from __future__ import annotations

import errno
import os

from conman_kernel.slots.provider import Unavailable as No
from conman_kernel.support.filesystems import file_system, nearest

from . import ioctls

_HINT = "put --root on a btrfs, or set [storage] driver = \"overlay-storage\""


def probe(state_dir: str) -> No | None:
    """None where ``state_dir`` lies (or would lie) on a btrfs and this process may delete subvolumes there; else the missing
    fact."""
    if os.geteuid() != 0:
        return No("keeping subvolumes needs root", "run as root; rootless containers come with a later release")
    path = nearest(state_dir)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if not ioctls.is_btrfs(folder):
            return No(f"{path} lies on {file_system(path) or 'another file system'}, not on a btrfs", _HINT)
        if os.fstatvfs(folder).f_flag & os.ST_RDONLY:
            return No(f"the btrfs that holds {path} is mounted read-only", "mount it writable, or choose another --root")
        next(ioctls.search(folder, 0), None)
    except OSError as error:
        if error.errno == errno.EPERM:
            return No(f"root without CAP_SYS_ADMIN may not delete subvolumes in {path}",
                      "give the process CAP_SYS_ADMIN, or set [storage] driver = \"vfs-storage\"")
        return No(f"{path} cannot hold subvolumes: {os.strerror(error.errno or 0).lower()}", _HINT)
    finally:
        os.close(folder)
    return None
