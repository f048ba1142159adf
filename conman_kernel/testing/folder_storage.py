"""A verified fake of the storage slot: a whole driver on plain folders, for tests of what stands above one.

It keeps the contract (``conman_kernel.testing.kits.StorageContract``), waits for no disk, and lets a test look and take part.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

from ..cancel import Cancel
from ..slots.provider import NoOptions, PluginContext, Provider, provider
from ..slots.storage import (
    API,
    AcquireRequest,
    CommitRequest,
    KeyRequest,
    Mount,
    PrepareRequest,
    Snapshot,
    StorageDriver,
    Usage,
    Whiteouts,
)
from ..support import trees
from ..support.copying import copy_tree
from ..support.snapshot_records import Place, Records, empty_tree
from ..support.snapshots import FolderDriver


class FolderStorage(FolderDriver):
    """Implements :class:`conman_kernel.slots.storage.StorageDriver`.

    :param state_dir: where everything lies.
    :param independent: True: each layer is a folder by itself, shown by overlayfs; False: whole trees, copied from their parents.
    :ivar prepared: every request to ``prepare``, in order. ``lazy``: chainIDs that ``acquire`` provides, as empty layers.
        ``before_commit``: called before each commit; what it raises comes out of it.
    """

    def __init__(self, state_dir: str, *, independent: bool = False) -> None:
        super().__init__(_Layers() if independent else _Trees(), state_dir, sync=False)
        self._places = Records(state_dir)
        self.prepared: list[PrepareRequest] = []
        self.lazy: set[str] = set()
        self.before_commit: Callable[[CommitRequest], None] = lambda request: None

    def prepare(self, request: PrepareRequest) -> Snapshot:
        """See the slot."""
        self.prepared.append(request)
        return super().prepare(request)

    def commit(self, request: CommitRequest) -> None:
        """See the slot."""
        self.before_commit(request)
        super().commit(request)

    def acquire(self, request: AcquireRequest) -> bool:
        """True for what is in ``lazy``."""
        if request.chain_id not in self.lazy:
            return False
        key = f"acquire-{request.chain_id}"
        super().remove(KeyRequest(key, request.cancel))
        super().prepare(PrepareRequest(key, request.parent, request.cancel))
        super().commit(CommitRequest(key, request.chain_id, request.cancel))
        return True

    def tree(self, name: str) -> Path:
        """The folder of a committed snapshot's files; its parent is all that there is of it."""
        return Path(self._places.committed(name), "fs")

    def names(self, kind: str) -> set[str]:
        """Keys or names of every snapshot of a kind: ``active``, ``view`` or ``committed``."""
        return {info.name for info in self.walk(Cancel()) if info.kind == kind}


def folder_storage(*, independent: bool = False) -> Provider[StorageDriver]:
    """What a plugin's hook would return for it."""
    def opened(context: PluginContext[NoOptions]) -> StorageDriver:
        return FolderStorage(context.state_dir, independent=independent)

    return provider(api=API, summary="plain folders, for tests", options=NoOptions, open=opened)


class _Trees:
    """Whole trees. Implements :class:`conman_kernel.support.snapshot_form.Form`."""

    whiteouts = Whiteouts.APPLIED
    independent_layers = False

    def fill(self, place: Place, cancel: Cancel) -> None:
        empty_tree(place.tree)
        if place.lower:
            copy_tree(place.lower[0], place.tree, cancel)

    def seal(self, place: Place) -> None:
        return

    def mounts(self, place: Place) -> tuple[Mount, ...]:
        tree = place.lower[0] if place.view and place.lower else place.tree
        return (Mount("bind", tree, ("bind", "ro" if place.view else "rw")),)

    def remove(self, folder: str) -> None:
        trees.remove(folder)

    def usage(self, place: Place) -> Usage:
        return trees.usage(place.tree)


class _Layers(_Trees):
    """One folder a layer. A layer that says nothing of its root folder gets the attributes of the one below."""

    whiteouts = Whiteouts.OVERLAY
    independent_layers = True
    _SILENT = 0o1000

    def fill(self, place: Place, cancel: Cancel) -> None:
        empty_tree(place.tree)
        if place.lower is None or place.lower:
            os.chmod(place.tree, self._SILENT)
        if place.lower:
            self.seal(place)
        os.mkdir(f"{place.folder}/work", 0o700)

    def seal(self, place: Place) -> None:
        if not place.lower or os.stat(place.tree).st_mode & 0o7777 != self._SILENT:
            return
        state = os.stat(place.lower[0])
        os.chown(place.tree, state.st_uid, state.st_gid)
        for name in os.listxattr(place.lower[0]):
            if not name.startswith("trusted.overlay."):
                os.setxattr(place.tree, name, os.getxattr(place.lower[0], name))
        os.chmod(place.tree, state.st_mode & 0o7777)
        os.utime(place.tree, ns=(state.st_mtime_ns, state.st_mtime_ns))

    def mounts(self, place: Place) -> tuple[Mount, ...]:
        lower = place.lower or ()
        if not lower or (place.view and len(lower) == 1):
            return super().mounts(place)
        options = ["lowerdir=" + ":".join(map(_escaped, lower)), "index=off", "metacopy=off", "redirect_dir=off"]
        if place.view:
            return (Mount("overlay", "overlay", ("ro", *options)),)
        options += [f"upperdir={_escaped(place.tree)}", f"workdir={_escaped(place.folder)}/work"]
        return (Mount("overlay", "overlay", tuple(options)),)


def _escaped(path: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\:," else letter for letter in path)
