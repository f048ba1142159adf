"""The slot ``conman.storage``: where layers and container file systems lie.

Vocabulary (containerd's): a *snapshot* is a directory tree. An *active* snapshot is writable and known by its ``key``;
``commit`` makes it immutable under a ``name``; a *view* is active but read-only. A snapshot has a committed ``parent``
or none. Layers are committed under their chainID, a container's snapshot has the container's id as key.

Three scenarios. *Unpack*: ``prepare(key, parent)``, the kernel's worker writes the layer, ``commit(key, name=chainID)``.
*Run*: ``prepare(id, parent=chainID)``, the kernel mounts ``mounts(id)`` (driver and kernel never meet in a mount
namespace), the container runs, unmount, ``remove(id)``. *Look*: ``view(key, parent)``, ``mounts``, unmount, ``remove``.

Promises. Every change is whole or absent after ``kill -9`` at any line: a half-made snapshot is one that ``walk`` does
not report and that ``remove`` clears. Calls for different keys may run at once, in threads and in processes; the kernel
never runs two for one key. A committed snapshot never changes. Nothing outside ``state_dir`` is written.
"""

from __future__ import annotations

from enum import Enum
from typing import Iterator, Literal, Protocol

from ..cancel import Cancel
from ..oci.descriptor import Descriptor
from ..record import Record

API = 1
"""The version of this slot. A plugin writes in its provider the number that it was written for, never this name."""


class Whiteouts(Enum):
    """How the worker writes a layer's deletions into :attr:`Snapshot.layer_path`."""

    APPLIED = "applied"
    """The folder shows the whole tree; what a whiteout names is deleted there."""

    OVERLAY = "overlay"
    """The folder is one overlayfs layer: a 0/0 character device, and ``trusted.overlay.opaque=y`` on folders."""


class Mount(Record):
    """One mount(2), made by the kernel; several are stacked in order, all on one folder that the driver does not know.

    :param type: file system type, or ``bind``.
    :param source: device or folder; with the option ``loop`` a file that holds a file system.
    :param options: as in fstab, one each. ``lowerdir=`` may be longer than a page: the kernel copes. ``loop``: the kernel shows
        the file as a device, read only where ``ro`` is said, too; the device is gone with the mount.
    """

    type: str
    source: str
    options: tuple[str, ...]


class Snapshot(Record):
    """An active snapshot.

    :param key: its key.
    :param layer_path: the folder where the kernel's worker writes a layer's entries in the driver's
        :attr:`StorageDriver.whiteouts` form without any mount, or None: then ``mounts`` is mounted and the
        merged tree is written, whiteouts applied.
    """

    key: str
    layer_path: str | None


class Info(Record):
    """What is known about one snapshot.

    :param name: of a committed one its name, else its key.
    :param parent: the name of the committed one below; None for the lowest.
    :param kind: what it is. ``created``: seconds since the epoch.
    """

    name: str
    parent: str | None
    kind: Literal["active", "view", "committed"]
    created: float


class Usage(Record):
    """What a snapshot takes by itself, without its parents: bytes on disk (st_blocks * 512) and inodes."""

    size: int
    inodes: int


class PrepareRequest(Record):
    """A new active snapshot (or view) on top of a committed parent, or an empty one."""

    key: str
    parent: str | None
    cancel: Cancel


class CommitRequest(Record):
    """Make the active snapshot ``key`` immutable as ``name``."""

    key: str
    name: str
    cancel: Cancel


class KeyRequest(Record):
    """One snapshot: the key of an active one or the name of a committed one."""

    key: str
    cancel: Cancel


class AcquireRequest(Record):
    """Asked before a layer is downloaded: can the driver provide it by itself (lazily)?"""

    chain_id: str
    parent: str | None
    descriptor: Descriptor
    cancel: Cancel


class LeftoversRequest(Record):
    """What lies half made or half removed. ``keep``: keys of active snapshots that somebody may be making right now."""

    keep: frozenset[str]
    cancel: Cancel


class StorageDriver(Protocol):
    """A keeper of snapshots. See the module for vocabulary, scenarios and promises."""

    @property
    def whiteouts(self) -> Whiteouts:
        """The form the worker writes into ``layer_path``."""
        ...

    @property
    def independent_layers(self) -> bool:
        """True where a layer may be unpacked into ``layer_path`` before (or beside) its parent: the parent given to
        ``prepare`` need then exist only at ``commit``."""
        ...

    def prepare(self, request: PrepareRequest) -> Snapshot:
        """Make a writable snapshot. The tree equals the parent's; an empty one is 0755 root:root.

        :raises AlreadyExists: the key or a committed name of it is taken.
        :raises NotFound: the parent is not committed (at ``commit`` where :attr:`independent_layers`).
        """
        ...

    def view(self, request: PrepareRequest) -> Snapshot:
        """Make a read-only look at a committed snapshot; nothing is unpacked there, so its ``layer_path`` is None. Without a
        parent it shows an empty folder. Errors as in :meth:`prepare`, but the parent must be committed now."""
        ...

    def commit(self, request: CommitRequest) -> None:
        """Make an active snapshot immutable and durable under a name; the key is gone afterwards.

        :raises AlreadyExists: the name is taken (the caller then removes its key: somebody was faster).
        :raises NotFound: no such key, or its parent is not committed.
        :raises InvalidState: it is a view.
        """
        ...

    def mounts(self, request: KeyRequest) -> tuple[Mount, ...]:
        """The mounts that show an active snapshot or view. Changes nothing; may be called twice.

        :raises NotFound: no such key.
        """
        ...

    def layer(self, request: KeyRequest) -> str | None:
        """The folder of a snapshot, active or committed, with its entries in the :attr:`whiteouts` form: with
        ``OVERLAY`` only what differs from its parent, with ``APPLIED`` the whole tree. None where only ``mounts`` of it (or
        of a view of it) shows anything. For reading: nobody writes there but through ``mounts`` or an unpack.

        :raises NotFound: no such key or name.
        """
        ...

    def remove(self, request: KeyRequest) -> None:
        """Remove an active or committed snapshot, or what is left of a half-made one; nothing there is no error.

        :raises InvalidState: a committed snapshot that others have as parent.
        """
        ...

    def stat(self, request: KeyRequest) -> Info:
        """What is known about one snapshot.

        :raises NotFound: no such key or name.
        """
        ...

    def walk(self, cancel: Cancel) -> Iterator[Info]:
        """Every whole snapshot, in no order. Half-made ones are not reported."""
        ...

    def usage(self, request: KeyRequest) -> Usage:
        """What a snapshot takes by itself.

        :raises NotFound: no such key or name.
        """
        ...

    def acquire(self, request: AcquireRequest) -> bool:
        """True where the driver now holds ``chain_id`` committed without the layer being downloaded (a lazy driver)."""
        ...

    def close(self) -> None:
        """Give descriptors back. May be called twice."""
        ...


class TidyDriver(StorageDriver, Protocol):
    """A driver that can tell what killed processes have left in its folders; optional, by having both methods."""

    def leftovers(self, request: LeftoversRequest) -> tuple[str, ...]:
        """What is half made, half removed or unreadable, named for a person, sorted; nothing that a living process is at
        work on. Changes nothing."""
        ...

    def clear(self, request: LeftoversRequest) -> None:
        """Remove what :meth:`leftovers` names, but for active snapshots that cannot be read: they may hold somebody's work."""
        ...


class PlanningDriver(StorageDriver, Protocol):
    """A driver that can tell how it would show a snapshot which is not made yet, for ``run --explain``; optional."""

    def planned(self, request: PrepareRequest) -> tuple[Mount, ...]:
        """What ``mounts`` would say of the writable snapshot that ``prepare`` would make of this request. Changes nothing.

        :raises NotFound: the parent is not committed.
        """
        ...
