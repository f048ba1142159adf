"""The first use of a volume: what the image has at that place is copied into it, whole or not at all.

A copy is made aside (``new``), becomes ``ready`` by one rename, and is then moved entry by entry, each by a rename; whoever uses
the volume next goes on with what is ready and drops what is new. So the folder that containers see keeps its identity: another
one may be showing it already. Everything happens under the volume's lock, so of two containers that start at once one copies.
"""

from __future__ import annotations

import errno
import os
import stat

from ..cancel import Cancel
from ..errors import Unavailable
from ..support.copying import describe
from ..support.trees import remove_entry
from ..worker.jobs import CopyRequest
from . import places, rows
from .options import mounting
from .records import Parts, VolumeRecord

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW, _READY = ".conman-new", ".conman-ready"


def settle(parts: Parts, record: VolumeRecord, source: int, *, copy: bool, uid: int, gid: int, cancel: Cancel) -> None:
    """Make a volume ready for a container that shows it now. The caller holds its lock; it is made, and mounted where it asks.

    :param source: a descriptor of the folder in the container's root file system that the volume hides; -1: there is none.
    :param copy: False: its content is not wanted (``nocopy``), only owner and mode.
    :param uid: with ``gid`` the owner that the volume gets where there is no such folder.
    :raises Unavailable: no space, or the system refuses; the volume is as empty as before.
    """
    data = os.open(places.data(parts, record.name), _FOLDER)
    # Beside the data where both are in one file system; in it where another one is mounted there.
    inside = mounting(dict(record.options)) is not None
    aside = os.open(".", _FOLDER, dir_fd=data) if inside else os.open(parts.layout.volume(record.name), _FOLDER)
    try:
        now = _settle(parts, record, source, data, aside, copy=copy, uid=uid, gid=gid, cancel=cancel)
    except OSError as error:
        if inside and error.errno in (errno.EROFS, errno.EPERM, errno.EACCES):
            return  # a file system that is mounted read-only, or whose server lets nobody change owners
        raise Unavailable(f"cannot copy the image's content into volume {record.name}: {error.strerror}") from None
    finally:
        os.close(data)
        os.close(aside)
    if now != record:
        with parts.database.write() as connection:
            rows.update(connection, now)


def _settle(parts: Parts, record: VolumeRecord, source: int, data: int, aside: int, *, copy: bool, uid: int, gid: int,
            cancel: Cancel) -> VolumeRecord:
    if _folder(aside, _READY):
        _move(aside, data, own=record.own)
        return record._replace(copy=False, own=False)
    if not (record.copy or record.own):
        return record
    remove_entry(aside, _NEW)
    if os.listdir(data):
        copy, record = False, record._replace(copy=False)
        if mounting(dict(record.options)) is not None:
            return record._replace(own=False)  # somebody's own file system, in use before
    if source >= 0 and copy and record.copy and "nocopy" not in dict(record.options) and os.listdir(source):
        os.mkdir(_NEW, 0o700, dir_fd=aside)
        fresh = os.open(_NEW, _FOLDER, dir_fd=aside)
        try:
            parts.worker().copy(CopyRequest(source, fresh, cancel))
        except BaseException:
            remove_entry(aside, _NEW)
            raise
        finally:
            os.close(fresh)
        os.rename(_NEW, _READY, src_dir_fd=aside, dst_dir_fd=aside)
        _move(aside, data, own=record.own)
        return record._replace(copy=False, own=False)
    if record.own:
        _own(source, data, uid, gid)
    return record._replace(own=False)


def _own(source: int, data: int, uid: int, gid: int) -> None:
    if source < 0:
        os.fchown(data, uid, gid)
        return
    state = os.fstat(source)
    describe(source, data, state)
    os.utime(data, ns=(state.st_atime_ns, state.st_mtime_ns))


def _move(aside: int, data: int, *, own: bool) -> None:
    ready = os.open(_READY, _FOLDER, dir_fd=aside)
    try:
        state = os.fstat(ready)
        for name in os.listdir(ready):
            if _there(data, name):  # a container that shows the volume already was faster: what it wrote stays
                remove_entry(ready, name)
            else:
                os.rename(name, name, src_dir_fd=ready, dst_dir_fd=data)
        if own:
            describe(ready, data, state)
        os.rmdir(_READY, dir_fd=aside)
        if own:
            os.utime(data, ns=(state.st_atime_ns, state.st_mtime_ns))
    finally:
        os.close(ready)


def _there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
