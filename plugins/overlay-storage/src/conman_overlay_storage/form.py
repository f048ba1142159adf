"""What tells overlay-storage from other drivers of folders: a tree holds one layer alone, overlayfs shows a chain as one."""

from __future__ import annotations

import os
import stat

from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.slots.storage import Mount, Usage, Whiteouts
from conman_kernel.support.snapshot_records import Place, empty_tree

# no tar describes a root folder like this; a layer that says nothing of its root leaves it so
_UNDESCRIBED = 0o1000

_PARAMETERS = "/sys/module/overlay/parameters/"
_TIES = ("index", "metacopy", "redirect_dir")

MOST = 500
"""Layers that overlayfs shows as one (OVL_MAX_STACK); a container's own comes on top of them."""


class OverlayForm:
    """Implements :class:`conman_kernel.support.snapshot_form.Form`. An active snapshot has a folder ``work`` beside its tree.

    A layer may be unpacked before its parent. It then says nothing of the root folder's attributes where it does not
    list it; the parent's are taken over when it is sealed.

    :param mount_options: added to every overlay mount.
    :raises InvalidInput: one of them would make layers that cannot be read by themselves.
    """

    whiteouts = Whiteouts.OVERLAY
    independent_layers = True

    def __init__(self, mount_options: tuple[str, ...] = ()) -> None:
        for option in mount_options:
            name, _, value = option.partition("=")
            if name in _TIES and value not in ("off", "nofollow"):
                raise InvalidInput(f"plugin.overlay-storage.mount_options: {option} would make layers that cannot be read "
                                   "without the mount they were written through", hint=f"take {option} out of conman.toml")
        self._mount_options = mount_options

    def fill(self, place: Place, cancel: Cancel) -> None:
        """See the form."""
        empty_tree(place.tree)
        if place.lower:
            _copy_attributes(place.lower[0], place.tree)
        elif place.lower is None:
            os.chmod(place.tree, _UNDESCRIBED)
        if not place.view:
            os.mkdir(place.folder + "/work", 0o700)

    def seal(self, place: Place) -> None:
        """See the form.

        :raises Unavailable: nothing could ever show so many layers.
        """
        from conman_kernel.support.trees import remove

        if len(place.lower or ()) >= MOST:
            raise Unavailable(f"this would be a layer above {len(place.lower or ())} others, and overlayfs shows {MOST} at most",
                              hint="use vfs-storage or btrfs-storage, or squash the image")
        if place.lower and stat.S_IMODE(os.stat(place.tree).st_mode) == _UNDESCRIBED:
            _copy_attributes(place.lower[0], place.tree)
        remove(place.folder + "/work")

    def mounts(self, place: Place) -> tuple[Mount, ...]:
        """See the form."""
        lower = place.lower or ()
        if place.view and len(lower) <= 1:
            return (Mount("bind", lower[0] if lower else place.tree, ("bind", "ro")),)
        if not lower:
            return (Mount("bind", place.tree, ("bind", "rw")),)
        options = ["lowerdir=" + ":".join(_escape(path) for path in lower)]
        if place.view:
            options.insert(0, "ro")
        else:
            if os.path.isdir(place.folder):  # else it is only planned, and nothing is made
                _have(place.folder + "/work")
            options += [f"upperdir={_escape(place.tree)}", f"workdir={_escape(place.folder)}/work"]
        return (Mount("overlay", "overlay", (*options, *_plain(), *self._mount_options)),)

    def remove(self, folder: str) -> None:
        """See the form."""
        from conman_kernel.support.trees import remove

        remove(folder)

    def usage(self, place: Place) -> Usage:
        """See the form: the layer alone."""
        from conman_kernel.support.trees import usage

        return usage(place.tree)


def _plain() -> list[str]:
    """What keeps a folder readable by itself, whatever the host's defaults are: no file in it that is only half there
    (metacopy), none that stands for another place (redirect_dir), no tie to the folders that it was first mounted with (index).
    A kernel that does not know one of these has no parameter of that name, and would refuse to mount."""
    return [f"{name}=off" for name in _TIES if os.path.exists(_PARAMETERS + name)]


def _have(work: str) -> None:
    try:
        os.mkdir(work, 0o700)
    except FileExistsError:
        return  # always, but where a commit was killed between seal() and its end


def _copy_attributes(source: str, target: str) -> None:
    """Give a fresh folder another's owner, mode, attributes (overlayfs's own aside) and mtime."""
    state = os.stat(source)
    if state.st_uid or state.st_gid:
        os.chown(target, state.st_uid, state.st_gid)
    os.chmod(target, stat.S_IMODE(state.st_mode))
    for name in os.listxattr(source):
        if not name.startswith("trusted.overlay."):
            os.setxattr(target, name, os.getxattr(source, name))
    os.utime(target, ns=(state.st_mtime_ns, state.st_mtime_ns))


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
