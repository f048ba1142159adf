"""What tells btrfs-storage from other drivers of folders: a tree is a subvolume, a new one a snapshot of its parent's."""

from __future__ import annotations

import os

from conman_kernel.cancel import Cancel
from conman_kernel.slots.storage import Mount, Usage, Whiteouts
from conman_kernel.support.snapshot_records import Place

from . import ioctls

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class BtrfsForm:
    """Implements :class:`conman_kernel.support.snapshot_form.Form`.

    A snapshot costs the same whatever its size: it shares every block with its parent until one of the two changes it.
    The kernel makes it whole or not at all, and takes a moment (one transaction) for it. A view is its parent's own
    subvolume, mounted read-only.
    """

    whiteouts = Whiteouts.APPLIED
    independent_layers = False

    def fill(self, place: Place, cancel: Cancel) -> None:
        """See the form."""
        cancel.check()
        folder = os.open(place.folder, _FOLDER)
        try:
            if place.lower:
                source = os.open(place.lower[0], _FOLDER)
                try:
                    ioctls.snapshot(source, folder, os.path.basename(place.tree))
                finally:
                    os.close(source)
                return
            ioctls.create(folder, os.path.basename(place.tree))
        finally:
            os.close(folder)
        os.chmod(place.tree, 0o755)
        os.utime(place.tree, ns=(0, 0))

    def seal(self, place: Place) -> None:
        """Nothing: the property that makes a subvolume read-only would cost every layer one more transaction on the disk."""

    def mounts(self, place: Place) -> tuple[Mount, ...]:
        """See the form."""
        if place.view and place.lower:
            return (Mount("bind", place.lower[0], ("bind", "ro")),)
        return (Mount("bind", place.tree, ("bind", "ro" if place.view else "rw")),)

    def remove(self, folder: str) -> None:
        """See the form. Subvolumes that somebody made inside of a container go with it."""
        from conman_kernel.support.trees import remove

        from .removal import remove_subvolumes

        remove_subvolumes(folder)
        remove(folder)

    def usage(self, place: Place) -> Usage:
        """See the form: what was written since the snapshot was made, see :mod:`.measuring`."""
        from .measuring import usage

        return usage(place.tree)
