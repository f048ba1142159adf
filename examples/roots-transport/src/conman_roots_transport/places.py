"""Where tarballs lie: ``/folder[:name]``, and which of the files in a folder are images."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from conman_kernel.errors import InvalidInput, NotFound, Unavailable

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".txz", ".tar.bz2")
MAX_FILES = 10_000

# A tarball is named after its image, so its name has to be the last part of one (distribution-spec, <name>).
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*\Z")


class Spot(NamedTuple):
    """A folder, and the image that is meant in it; an empty name: whichever is there."""

    folder: str
    name: str


def parse(location: str) -> Spot:
    """Take ``/folder[:name]`` apart.

    Raises:
        InvalidInput: no path, or a name that no image can have.
    """
    if not location.isprintable():
        raise InvalidInput(f"roots:{location[:100]!r} has unprintable characters")
    folder, colon, name = location.rpartition(":")
    if not colon or "/" in name:
        folder, name = location, ""
    elif not _NAME.match(name):
        raise InvalidInput(f"roots:{location}: {name!r} cannot be the name of a root file system",
                           hint="names are of a-z, 0-9, and single . _ - between them")
    if not folder:
        raise InvalidInput(f"roots:{location}: no folder is named", hint="write roots:/folder or roots:/folder:name")
    return Spot(folder, name)


def tarballs(spot: Spot) -> dict[str, str]:
    """The images of a folder: name -> the file's name, sorted. Files whose names are no image's are none.

    Raises:
        NotFound: the folder does not exist.
        InvalidInput: it is none, holds too much, or has two tarballs of one name.
        Unavailable: it cannot be read.
    """
    found: dict[str, str] = {}
    try:
        with os.scandir(spot.folder) as entries:
            for count, entry in enumerate(entries):
                if count == MAX_FILES:
                    raise InvalidInput(f"{spot.folder} holds more than {MAX_FILES} files")
                name = _image_name(entry.name)
                if not name or not entry.is_file(follow_symlinks=False):
                    continue
                if name in found:
                    raise InvalidInput(f"{spot.folder}: {found[name]} and {entry.name} both want to be {name}",
                                       hint="rename one of them, or move it elsewhere")
                found[name] = entry.name
    except FileNotFoundError:
        raise NotFound(f"there is no folder {spot.folder}") from None
    except NotADirectoryError:
        raise InvalidInput(f"{spot.folder} is no folder", hint="write roots:/folder:name for a tarball in a folder") from None
    except (OSError, ValueError) as error:
        raise Unavailable(f"{spot.folder} cannot be read: {error}") from error
    return dict(sorted(found.items()))


def choose(spot: Spot) -> tuple[str, str]:
    """The one image that is meant: its name, and its file's.

    Raises:
        NotFound: there is none.
        InvalidInput: there are several, and none was named. As `tarballs` otherwise.
    """
    found = tarballs(spot)
    if spot.name:
        if spot.name not in found:
            raise NotFound(f"{spot.folder} holds no root file system {spot.name}", hint=_offer(found))
        return spot.name, found[spot.name]
    if not found:
        raise NotFound(f"{spot.folder} holds no root file systems", hint=_offer(found))
    if len(found) > 1:
        raise InvalidInput(f"{spot.folder} holds {len(found)} root file systems", hint=_offer(found))
    return next(iter(found.items()))


def _image_name(file_name: str) -> str:
    for ending in ENDINGS:
        if file_name.endswith(ending):
            name = file_name.removesuffix(ending)
            return name if _NAME.match(name) else ""
    return ""


def _offer(found: dict[str, str]) -> str:
    if not found:
        return f"an image is a file NAME with one of the endings {' '.join(ENDINGS)}"
    names = list(found)
    return f"say :NAME, one of {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"
