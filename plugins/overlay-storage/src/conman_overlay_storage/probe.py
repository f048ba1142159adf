"""Does overlayfs work here, on top of the file system that holds the state folder? Changes nothing that lasts."""

from __future__ import annotations

import os
import stat

from conman_kernel.slots.provider import Unavailable as No
from conman_kernel.support.filesystems import file_system, nearest

_GOOD = frozenset(("ext4", "xfs", "btrfs", "tmpfs", "ext3", "ext2", "f2fs", "bcachefs"))
_BAD = frozenset(("overlay", "aufs", "nfs", "nfs4", "cifs", "smb3", "vfat", "exfat", "9p", "ecryptfs", "ramfs"))
_HINT = "put --root on ext4, xfs, btrfs or tmpfs, or set [storage] driver = \"vfs-storage\""


def probe(state_dir: str) -> No | None:
    """None where overlayfs can hold its upper folders beneath ``state_dir``; else the missing fact.

    Well-known file systems are told by their type alone (two small reads); on others an attribute and a whiteout are
    tried in a temporary folder.
    """
    if os.geteuid() != 0:
        return No("overlay mounts need root", "run as root; rootless containers come with a later release")
    with open("/proc/filesystems", "rb") as listed:
        if b"\toverlay\n" not in listed.read():
            return No("the kernel knows no overlay file system", "modprobe overlay, or set driver = \"vfs-storage\"")
    folder = nearest(state_dir)
    kind = file_system(folder)
    if kind in _BAD:
        return No(f"{folder} lies on {kind}, which cannot hold overlayfs's upper folders", _HINT)
    if kind in _GOOD:
        return None
    return _try(folder, kind)


def _try(folder: str, kind: str) -> No | None:
    name = os.path.join(folder, f".conman-probe-{os.getpid()}")
    try:
        os.mkdir(name, 0o700)
        try:
            os.setxattr(name, "trusted.overlay.opaque", b"y")
            os.mknod(os.path.join(name, "w"), stat.S_IFCHR, 0)
            os.unlink(os.path.join(name, "w"))
        finally:
            os.rmdir(name)
    except OSError as error:
        words = os.strerror(error.errno or 0).lower()
        return No(f"{folder} ({kind or 'an unknown file system'}) cannot hold overlayfs's marks: {words}", _HINT)
    return None
