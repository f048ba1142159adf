"""The mount option ``O``: the container sees a folder of the host (or a volume), and what it changes lies in an overlay that goes
with the run."""

from __future__ import annotations

import os

from ..errors import InvalidInput, Unavailable
from ..mounts import is_mounted, mount_all, unmount
from ..slots.storage import Mount
from ..support.copying import describe
from ..support.trees import remove as remove_tree


def show(place: str, source: str, target: str) -> str:
    """Mount an empty overlay over a folder.

    :param place: a folder of the container's own that lasts as long as the run; what an earlier one left is removed.
    :param source: what is seen. :param target: where, for messages.
    :returns: the mount point.
    :raises InvalidInput: it is no folder. :raises Unavailable: the kernel refuses.
    """
    take_away(place)
    merged, upper, work = (f"{place}/{name}" for name in ("merge", "upper", "work"))
    try:
        for folder in (merged, upper, work):
            os.makedirs(folder, 0o700)
        _same_outside(source, upper)
    except NotADirectoryError:
        raise InvalidInput(f"the mount at {target} cannot be an overlay: {source} is no folder") from None
    except OSError as error:
        raise Unavailable(f"cannot make an overlay of {source}: {error.strerror}") from None
    mount_all([Mount("overlay", "overlay", (f"lowerdir={_escaped(source)}", f"upperdir={upper}", f"workdir={work}"))], merged)
    return merged


def take_away(place: str) -> None:
    """Unmount overlays below a folder and remove it with what was written to them. Nothing there is no error.

    :raises Unavailable: the kernel refuses.
    """
    for path in (f"{place}/merge", *(f"{place}/{name}/merge" for name in _names(place))):
        if is_mounted(path):
            unmount(path)
    try:
        remove_tree(place)
    except OSError as error:
        raise Unavailable(f"{place} cannot be removed: {error.strerror}") from None


def _same_outside(source: str, upper: str) -> None:
    """An overlay's own owner and mode are those of its upper folder."""
    inward = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        outward = os.open(upper, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            describe(inward, outward, os.fstat(inward))
        finally:
            os.close(outward)
    finally:
        os.close(inward)


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:")


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
