"""What tells vfs-storage from other drivers of folders: each tree is a whole copy of the parent's, shown by a bind mount."""

from __future__ import annotations

from conman_kernel.cancel import Cancel
from conman_kernel.slots.storage import Mount, Usage, Whiteouts
from conman_kernel.support import trees
from conman_kernel.support.copying import copy_tree
from conman_kernel.support.snapshot_records import Place, empty_tree


class VfsForm:
    """Implements :class:`conman_kernel.support.snapshot_form.Form`.

    A tree is the whole one, so a layer is written into it with its whiteouts applied. Files share their blocks where
    the file system can (reflinks). A view is its parent's own tree, read-only.
    """

    whiteouts = Whiteouts.APPLIED
    independent_layers = False

    def fill(self, place: Place, cancel: Cancel) -> None:
        """See the form."""
        empty_tree(place.tree)
        if place.lower:
            copy_tree(place.lower[0], place.tree, cancel)

    def seal(self, place: Place) -> None:
        """Nothing: an active tree is what a committed one is."""

    def mounts(self, place: Place) -> tuple[Mount, ...]:
        """See the form."""
        if place.view and place.lower:
            return (Mount("bind", place.lower[0], ("bind", "ro")),)
        return (Mount("bind", place.tree, ("bind", "ro" if place.view else "rw")),)

    def remove(self, folder: str) -> None:
        """See the form."""
        trees.remove(folder)

    def usage(self, place: Place) -> Usage:
        """See the form: the whole copy, as if no blocks were shared."""
        return trees.usage(place.tree)
