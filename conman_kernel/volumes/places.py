"""Where volumes lie: ``<root>/volumes/NAME/_data``, made whole by rename, removed by rename; and the lock of each.

A folder belongs to a volume when the row says ``made``. A row comes before its folder and goes before it, so a folder without a
row is what a killed command has left: whoever makes or prunes volumes next clears it. Other names in ``volumes`` begin with a
dot, which no volume's name does.
"""

from __future__ import annotations

import os
import zlib

from ..cancel import Cancel
from ..errors import NotFound, Unavailable
from ..mounts import unmount
from ..store.layout import unusable
from ..store.locks import Lock
from ..support.trees import remove as remove_tree
from . import rows
from .options import owner
from .records import Parts, VolumeRecord

_LOCKS = 1 << 62
"""Bytes of the store's lock file from here on are the volumes': far from those of containers, whose numbers begin at 1."""


def data(parts: Parts, name: str) -> str:
    """The folder that containers see."""
    return f"{parts.layout.volume(name)}/_data"


def acquire(parts: Parts, name: str, cancel: Cancel) -> Lock:
    """The lock of a volume. Nobody takes a second one meanwhile: two names may have the same byte.

    :raises Cancelled, DeadlineExceeded: while waiting.
    """
    return parts.locks.acquire(_LOCKS | _number(name), cancel)


def ensure(parts: Parts, record: VolumeRecord) -> VolumeRecord:
    """See to it that a volume has its folder, empty unless it is its own. The caller holds its lock.

    :returns: the record as it is now.
    :raises Unavailable: it cannot be made.
    """
    home = parts.layout.volume(record.name)
    if record.made and os.path.isdir(home + "/_data"):
        return record
    if not record.made:
        _clear(parts, record.name)
    fresh = _aside(parts, record.name, "new")
    uid, gid = owner(dict(record.options))
    try:
        parts.layout.ensure(parts.layout.volumes)
        _discard(fresh)
        os.mkdir(fresh, 0o700)
        os.mkdir(fresh + "/_data", 0o755)
        os.chmod(fresh + "/_data", 0o755)
        os.chown(fresh + "/_data", uid, gid)
        if os.path.isdir(home):  # somebody took _data away by hand
            os.rename(fresh + "/_data", home + "/_data")
            os.rmdir(fresh)
        else:
            os.rename(fresh, home)
    except OSError as error:
        raise unusable(error.filename or home, error) from None
    now = record._replace(made=True, own=record.own and (uid, gid) == (-1, -1))
    with parts.database.write() as connection:
        rows.update(connection, now)
    return now


def current(parts: Parts, name: str) -> VolumeRecord:
    """A volume's record as it is now.

    :raises NotFound: it was removed meanwhile.
    """
    with parts.database.read() as connection:
        record = rows.exact(connection, name)
    if record is None:
        raise NotFound(f'no volume with name "{name}" found: no such volume')
    return record


def remove(parts: Parts, name: str, cancel: Cancel) -> None:
    """Remove the folder of a volume whose row is gone. A new volume of that name keeps its own.

    :raises Unavailable: something in it cannot be removed, or is mounted there and busy.
    """
    with acquire(parts, name, cancel):
        if not _known(parts, name):
            _clear(parts, name)


def _known(parts: Parts, name: str) -> bool:
    """True where the folder of that name belongs to a volume."""
    with parts.database.read() as connection:
        record = rows.exact(connection, name)
    return record is not None and record.made


def leftovers(parts: Parts) -> tuple[str, ...]:
    """Paths below ``volumes`` that belong to no volume: killed commands left them, or are at work on them just now."""
    try:
        names = sorted(os.listdir(parts.layout.volumes))
    except FileNotFoundError:
        return ()
    with parts.database.read() as connection:
        known = {record.name for record in rows.select(connection)}
    return tuple(f"{parts.layout.volumes}/{name}" for name in names if name not in known)


def clear_leftovers(parts: Parts, cancel: Cancel) -> None:
    """Remove what killed commands left; what somebody is at work on stays."""
    for path in leftovers(parts):
        cancel.check()
        name = os.path.basename(path)
        tag = name.rpartition(".")[2] if name.startswith(".") else f"{_number(name):08x}"
        if len(tag) != 8 or set(tag) - set("0123456789abcdef"):
            continue  # nothing that conman would have made
        lock = parts.locks.try_acquire(_LOCKS | int(tag, 16))
        if lock is None:
            continue  # somebody is just removing it
        with lock:
            if name.startswith("."):
                _discard(path)
            elif not _known(parts, name):
                _clear(parts, name)


def _number(name: str) -> int:
    return zlib.crc32(name.encode())


def _aside(parts: Parts, name: str, what: str) -> str:
    """A path for what is being made or removed; the lock's holder alone uses it, and finds what an earlier one left."""
    return f"{parts.layout.volumes}/.{what}.{_number(name):08x}"


def _clear(parts: Parts, name: str) -> None:
    home, gone = parts.layout.volume(name), _aside(parts, name, "gone")
    _discard(gone)
    unmount_below(home)
    try:
        os.rename(home, gone)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unusable(home, error) from None
    _discard(gone)


def _discard(path: str) -> None:
    unmount_below(path)
    try:
        remove_tree(path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be removed: {error.strerror}",
                          hint="is something mounted below it, or set immutable?") from None


def unmount_below(path: str) -> None:
    """Take away what is mounted at or below a folder: what lies behind it is not ours to remove.

    :raises Unavailable: the kernel refuses.
    """
    with open("/proc/self/mountinfo", "rb") as stream:
        points = [os.fsdecode(line.split()[4].decode("unicode_escape").encode("latin-1")) for line in stream]
    for point in sorted((point for point in points if point == path or point.startswith(path + "/")), key=len, reverse=True):
        unmount(point)
