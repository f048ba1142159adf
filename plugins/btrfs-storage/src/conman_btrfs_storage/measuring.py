"""What a subvolume takes by itself: read from its tree, where whatever its parent already had is left out unread."""

from __future__ import annotations

import errno
import os
import struct

from conman_kernel.slots.storage import Usage

from . import ioctls

_INODE_ITEM, _EXTENT_DATA = 1, 108
_INODE_TRANSID = struct.Struct("<8xQ")
_EXTENT = struct.Struct("<Q12xB")  # generation, then its type behind sizes and codes
_ON_DISK = struct.Struct("<21x2Q")  # where it lies, and its bytes there
_INLINE = 0
_INLINE_AT = 21


def usage(tree: str) -> Usage:
    """Bytes and inodes of the subvolume at ``tree`` that its parent does not have.

    Bytes are those of file extents on the disk (compressed ones as they lie there, shared ones once) that were written since
    the snapshot was made; inodes are the root folder and those that were made or changed since. A subvolume that is no
    snapshot counts whole. Metadata is not counted. The work is proportional to what changed. Blocks cloned
    (``cp --reflink``) from elsewhere count as written.

    A kernel before 4.18 does not say when a snapshot was made: everything counts there, shared or not.

    :raises OSError: whatever the system says.
    """
    folder = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            born = ioctls.born(folder)
        except OSError as error:
            if error.errno != errno.ENOTTY:
                raise
            from conman_kernel.support import trees

            return trees.usage(tree)
        ioctls.sync(folder)
        return _count(folder, born)
    finally:
        os.close(folder)


def _count(folder: int, born: int) -> Usage:
    size, inodes, seen = 0, 1, set[int]()
    for inode, kind, item in ioctls.search(folder, born + 1 if born else 0):
        if kind == _INODE_ITEM and inode != ioctls.FIRST_INODE:
            inodes += _INODE_TRANSID.unpack_from(item)[0] > born
        elif kind == _EXTENT_DATA:
            generation, form = _EXTENT.unpack_from(item)
            if generation <= born:
                continue
            if form == _INLINE:
                size += len(item) - _INLINE_AT
                continue
            place, length = _ON_DISK.unpack_from(item)
            if place and place not in seen:
                seen.add(place)
                size += length
    return Usage(size, inodes)
