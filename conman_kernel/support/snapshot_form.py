"""What a plugin brings to :class:`~conman_kernel.support.snapshots.FolderDriver`: a form of snapshots."""

from __future__ import annotations

from typing import Protocol

from ..cancel import Cancel
from ..slots.storage import Mount, Whiteouts
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
        """Make a new snapshot equal to its parent. Not called for a view of a parent.

        ``place.tree`` is there: empty, 0755 root:root, of the epoch. Whatever happens in here, the snapshot is not there until
        this has returned.

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
