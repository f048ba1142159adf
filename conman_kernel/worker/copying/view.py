"""A container that does not run, seen as it would be: its root file system and what is mounted in it, in a mount namespace of the
worker's own. With the worker all of it is gone, however that ends.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Mapping

from ...errors import ConmanError
from ...mounts import make_read_only, mount_all, private_namespace, unmount
from ...slots.storage import Mount
from ..failure import Failed, explain
from ..inroot import Place, resolve

_AT = os.O_PATH | os.O_CLOEXEC


def show(job: Mapping[str, object]) -> dict[str, object]:
    """Mount everything.

    :param job: ``over``: a folder that is covered; ``mounts``: those of the root file system; ``inner``: what the container has
        in it, each with ``source``, ``target``, ``type`` (``bind`` or ``tmpfs``), ``options``, and ``make``: a target that is not
        there is made, as the next start would; ``read_only``: of the root file system.
    :returns: ``root``: a descriptor of this process, open on the root folder.
    :raises Failed: something cannot be mounted.
    """
    try:
        return {"root": _shown(job)}
    except ConmanError as error:
        raise Failed(str(error), error.hint) from None


def _shown(job: Mapping[str, object]) -> int:
    over, inner = str(job["over"]), job["inner"]
    assert isinstance(inner, list)
    private_namespace()
    # Opened before anything is mounted: what is covered below may be where they lie.
    sources = [os.open(one["source"], _AT) if one["type"] == "bind" else -1 for one in inner]
    mounts = job["mounts"]
    assert isinstance(mounts, list)
    mount_all([Mount(one[0], one[1], tuple(one[2])) for one in mounts], over)
    root = os.open(over, _AT | os.O_DIRECTORY)
    for one, source in zip(inner, sources):
        try:
            _inner(root, one, source)
        except OSError as error:
            raise explain(error, f"mounting on {one['target']} of the container") from None
        finally:
            if source >= 0:
                os.close(source)
    if job["read_only"]:
        make_read_only(over)
    return root


def hide(job: Mapping[str, object]) -> dict[str, object]:
    """Take everything down at once, instead of some time after this process has ended.

    :param job: ``over`` and ``root``: as of :func:`show`.
    """
    root = job["root"]
    assert isinstance(root, int)
    os.close(root)
    unmount(str(job["over"]))
    return {}


def _inner(root: int, one: Mapping[str, object], source: int) -> None:
    target, kind, options = os.fsencode(str(one["target"])), one["type"], one["options"]
    assert isinstance(options, list)
    folder = kind != "bind" or stat.S_ISDIR(os.fstat(source).st_mode)
    try:
        with resolve(root, target, follow=True) as place:
            if place.state is None and not one["make"]:
                return
            fd = _opened(place, folder=folder)
    except FileNotFoundError:
        if not one["make"]:
            return
        fd = _made(root, target, folder=folder)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode) != folder:
            raise Failed(f"mounting on {one['target']} of the container: a folder and a file do not go together")
        here = f"/proc/self/fd/{fd}"
        if kind == "bind":
            mount_all([Mount("bind", f"/proc/self/fd/{source}", ("rbind",))], here)
        else:
            mount_all([Mount("tmpfs", "tmpfs", ("ro", "size=4k"))], here)
    finally:
        os.close(fd)
    if kind == "bind" and "ro" in options:
        with resolve(root, target, follow=True) as place:
            top = os.open(place.name, _AT | os.O_NOFOLLOW, dir_fd=place.folder)
        try:
            make_read_only(f"/proc/self/fd/{top}")
        finally:
            os.close(top)


def _opened(place: Place, *, folder: bool) -> int:
    if place.state is None:
        _make(place, folder=folder)
    return os.open(place.name, _AT | os.O_NOFOLLOW, dir_fd=place.folder)


def _make(place: Place, *, folder: bool) -> None:
    if folder:
        os.mkdir(place.name, 0o755, dir_fd=place.folder)
    else:
        os.close(os.open(place.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644,
                         dir_fd=place.folder))


def _made(root: int, target: bytes, *, folder: bool) -> int:
    """Make the folders on the way, too."""
    parts = [part for part in target.split(b"/") if part]
    for count in range(1, len(parts)):
        with resolve(root, b"/".join(parts[:count]), follow=True) as place:
            if place.state is None:
                _make(place, folder=True)
            elif not place.is_folder():
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    with resolve(root, target, follow=True) as place:
        return _opened(place, folder=folder)
