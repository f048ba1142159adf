"""Names and driver options of volumes, as ``volume create`` takes them; checked before anything is made.

The driver ``local`` keeps a volume as a folder, or mounts a file system there: ``type``, ``device`` and ``o`` are the arguments
``-t``, ``DEVICE`` and ``-o`` of mount(8), as docker and podman have it.
"""

from __future__ import annotations

import os
import re
from typing import Mapping

from ..errors import InvalidInput, NotFound
from ..record import Record

_VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_LONGEST = 255
_KEYS = ("type", "device", "o", "copy", "nocopy")
_IDS_OF_ITS_OWN = ("tmpfs", "vfat", "exfat", "ntfs", "ntfs3", "cifs", "smb3", "iso9660", "udf", "hfs", "hfsplus", "9p")
"""File systems whose ``uid=`` and ``gid=`` are mount options; elsewhere they are the folder's owner."""


class Mounting(Record):
    """What is mounted while a volume is used.

    :param type: as in ``mount -t``; empty: mount(8) finds out. ``options``: as in ``mount -o``.
    """

    type: str
    device: str
    options: tuple[str, ...]


def check_name(name: str) -> str:
    """Return a volume's name as it is, if it is one.

    :raises InvalidInput: it does not match ``[a-zA-Z0-9][a-zA-Z0-9_.-]*``, docker's and podman's rule, or is no file name.
    """
    if not _VALID.fullmatch(name) or len(name) > _LONGEST:
        raise InvalidInput(f'"{name}" is no valid volume name',
                           hint=f"names match [a-zA-Z0-9][a-zA-Z0-9_.-]*, at most {_LONGEST} characters")
    return name


def check_options(driver: str, options: Mapping[str, str]) -> None:
    """Refuse what could never be used.

    :raises NotFound: another driver than ``local``.
    :raises InvalidInput: an unknown option, one without what it needs, a source that does not exist.
    """
    if driver not in ("", "local"):
        raise NotFound(f'no volume driver "{driver}": required plugin missing', hint="there is local")
    for key in options:
        if key not in _KEYS:
            raise InvalidInput(f"invalid mount option {key} for driver 'local'", hint=f"there are {', '.join(_KEYS)}")
    if "copy" in options and "nocopy" in options:
        raise InvalidInput("the volume options copy and nocopy exclude each other")
    uid, gid = owner(options)
    mounted = mounting(options)
    if mounted is None:
        left = _other_words(options)
        if left:
            raise InvalidInput(f'volume option o={left[0]} needs type and device: nothing is mounted without them',
                               hint="such as --opt type=tmpfs --opt device=tmpfs")
        return
    if not mounted.device:
        raise InvalidInput(f"volume option type={mounted.type} needs a device", hint="--opt device=...")
    if _binds(mounted) and not (mounted.device.startswith("/") and os.path.isdir(mounted.device)):
        raise InvalidInput(f"invalid volume option device for driver 'local': {mounted.device} is no folder on this host",
                           hint="make it first; its path must be absolute")
    if (uid, gid) != (-1, -1) and _binds(mounted):
        raise InvalidInput("uid and gid would change the owner of a folder of the host", hint="chown it, or leave them out")


def mounting(options: Mapping[str, str]) -> Mounting | None:
    """What is to be mounted; None for a plain folder."""
    kind, device = options.get("type", ""), options.get("device", "")
    if not kind and not device:
        return None
    words = _other_words(options)
    if kind == "bind":
        kind, words = "none", ["bind", *(word for word in words if word not in ("bind", "rbind"))]
    if kind in _IDS_OF_ITS_OWN:
        words = [word for word in options.get("o", "").split(",") if word]
    if kind == "tmpfs" and not device:
        device = "tmpfs"
    return Mounting(kind, device, tuple(words))


def owner(options: Mapping[str, str]) -> tuple[int, int]:
    """``uid=`` and ``gid=`` of the option ``o``; -1 where it is not given.

    :raises InvalidInput: no number.
    """
    found = {"uid": -1, "gid": -1}
    for word in options.get("o", "").split(","):
        key, equals, value = word.partition("=")
        if key in found:
            if not equals or not value.isascii() or not value.isdigit() or int(value) >= (1 << 32) - 1:
                raise InvalidInput(f"invalid volume option o={word}: {key}=NUMBER")
            found[key] = int(value)
    return found["uid"], found["gid"]


def _other_words(options: Mapping[str, str]) -> list[str]:
    return [word for word in options.get("o", "").split(",") if word and word.partition("=")[0] not in ("uid", "gid")]


def _binds(mounted: Mounting) -> bool:
    return bool({"bind", "rbind"} & set(mounted.options))
