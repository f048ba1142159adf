"""The few ioctls of btrfs that a keeper of subvolumes needs, over descriptors of folders.

Numbers and layouts: the kernel's include/uapi/linux/btrfs.h and btrfs_tree.h. Numbers are as on x86, arm, riscv and s390.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from typing import Iterator

FIRST_INODE = 256
"""The inode number of every subvolume's root folder, and of nothing that is no root of one and lies on another device."""

_SNAP_CREATE_V2, _SUBVOL_CREATE_V2, _SNAP_DESTROY = 0x50009417, 0x50009418, 0x5000940F
_TREE_SEARCH_V2, _INO_LOOKUP, _SYNC, _GET_SUBVOL_INFO = 0xC0709411, 0xD0009412, 0x9408, 0x81F8943C

_NAME_AT, _NAME_V2_AT, _ARGS_SIZE = 8, 56, 4096
_KEY = struct.Struct("=7Q4I32xQ")  # of a search, and the size of the buffer behind it
_HEADER = struct.Struct("=3Q2I")
_INFO_SIZE, _PARENT_UUID_AT, _OTRANSID_AT = 504, 312, 352
_LOOKUP = struct.Struct("=2Q4080x")
_MOST = (1 << 64) - 1
_BUFFER = 1 << 16


def is_btrfs(folder: int) -> bool:
    """True where the folder lies on a btrfs. Needs no right."""
    try:
        fcntl.ioctl(folder, _INO_LOOKUP, bytearray(_LOOKUP.pack(0, FIRST_INODE)))
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):
            return False
        raise
    return True


def is_subvolume(state: os.stat_result) -> bool:
    """True for the root folder of a subvolume; ``state`` is of something on a btrfs."""
    return stat.S_ISDIR(state.st_mode) and state.st_ino == FIRST_INODE


def create(parent: int, name: str) -> None:
    """Make an empty subvolume, whole or not at all.

    :param parent: descriptor of the folder it appears in.
    """
    fcntl.ioctl(parent, _SUBVOL_CREATE_V2, _named(0, name, _NAME_V2_AT))


def snapshot(source: int, parent: int, name: str) -> None:
    """Make a writable snapshot of the subvolume whose root ``source`` is, whole or not at all."""
    fcntl.ioctl(parent, _SNAP_CREATE_V2, _named(source, name, _NAME_V2_AT))


def destroy(parent: int, name: str) -> None:
    """Delete a subvolume with all in it; its blocks are given back by the kernel, afterwards.

    :raises OSError: ENOTEMPTY where other subvolumes lie in it, EINVAL or ENOTDIR where it is none.
    """
    fcntl.ioctl(parent, _SNAP_DESTROY, _named(0, name, _NAME_AT))


def sync(folder: int) -> None:
    """Write everything that waits in memory: what :func:`search` reads then is what was written before this call."""
    fcntl.ioctl(folder, _SYNC)


def born(folder: int) -> int:
    """The transaction in which the subvolume of ``folder`` was made a snapshot of another; 0 where it is none."""
    info = bytearray(_INFO_SIZE)
    fcntl.ioctl(folder, _GET_SUBVOL_INFO, info)
    if not any(info[_PARENT_UUID_AT:_PARENT_UUID_AT + 16]):
        return 0
    found: int = struct.unpack_from("=Q", info, _OTRANSID_AT)[0]
    return found


def search(folder: int, since: int) -> Iterator[tuple[int, int, memoryview]]:
    """The items of the subvolume of ``folder``, in key order: inode, type and bytes, which hold until the next is taken.

    :param since: leave out what was last touched before this transaction, where that saves reading it.
    """
    at = (FIRST_INODE, 0, 0)
    while True:
        buffer = bytearray(_KEY.size + _BUFFER)
        _KEY.pack_into(buffer, 0, 0, at[0], _MOST, at[2], _MOST, since, _MOST, at[1], 255, 0xFFFFFFFF, 0, _BUFFER)
        fcntl.ioctl(folder, _TREE_SEARCH_V2, buffer)
        view, count, place = memoryview(buffer), struct.unpack_from("=I", buffer, 64)[0], _KEY.size
        if not count:
            return
        for _ in range(count):
            _, inode, offset, kind, length = _HEADER.unpack_from(buffer, place)
            place += _HEADER.size
            yield inode, kind, view[place:place + length]
            place += length
            at = (inode, kind, offset)
        at = _after(*at)


def _after(inode: int, kind: int, offset: int) -> tuple[int, int, int]:
    if offset < _MOST:
        return inode, kind, offset + 1
    return (inode, kind + 1, 0) if kind < 255 else (inode + 1, 0, 0)


def _named(fd: int, name: str, at: int) -> bytearray:
    """``struct btrfs_ioctl_vol_args`` and its second version: a descriptor first, a name at ``at``, zeros elsewhere."""
    text = os.fsencode(name)
    arguments = bytearray(_ARGS_SIZE)
    struct.pack_into("=q", arguments, 0, fd)
    arguments[at:at + len(text)] = text
    return arguments
