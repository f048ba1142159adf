"""What a plugin brings to :class:`~conman_kernel.support.snapshots.FolderDriver`: a form of snapshots."""

from __future__ import annotations

from typing import Protocol

from ..cancel import Cancel
from ..slots.storage import Mount, Usage, Whiteouts
from .snapshot_records import Place


class Form(Protocol):
    """What tells one driver of folders from another. Methods may be called from several threads, for different places."""

    @property
    def whiteouts(self) -> Whiteouts:
        """As in :class:`~conman_kernel.slots.storage.StorageDriver`."""
        ...

    @property
    def independent_layers(self) -> bool:
        """As in :class:`~conman_kernel.slots.storage.StorageDriver`."""
        ...

    def fill(self, place: Place, cancel: Cancel) -> None:
        """Make ``place.tree``, equal to the parent's, or empty (see :func:`~.snapshot_records.empty_tree`). Not called for a
        view of a parent.

        ``place.folder`` is there, and nothing in it. Whatever happens in here, the snapshot is not there until this has
        returned; what a crash leaves of it goes through :meth:`remove`.

        :raises OSError: the driver words it for the person.
        """
        ...

    def seal(self, place: Place) -> None:
        """Called before a snapshot becomes immutable: what only an active one needs can go. ``place.lower`` is whole.

        May be called again for one place, after a crash.
        """
        ...

    def mounts(self, place: Place) -> tuple[Mount, ...]:
        """The mounts that show an active snapshot or view; ``place.lower`` is whole. Changes nothing."""
        ...

    def remove(self, folder: str) -> None:
        """Delete a snapshot's folder, or what is left of one, with all in it; nothing there is no error.

        It lies out of sight already, and nobody uses it. Several processes may delete one folder at the same time, and a
        crash in here is followed by another call.

        :raises OSError: as in :meth:`fill`; the folder is tried again with the next removal.
        """
        ...

    def usage(self, place: Place) -> Usage:
        """What the snapshot takes by itself, see :class:`~conman_kernel.slots.storage.Usage`. Not called for a view of a parent.

        The tree may be in use. :raises OSError: as in :meth:`fill`.
        """
        ...
