"""A storage driver for those whose snapshots are folders: the plugin brings a form, the rest is here.

:class:`FolderDriver` keeps the slot's promises: each change is whole or absent after a crash, a committed snapshot appears by
one rename, a parent is not removed beneath its children, half-made snapshots are never reported and cleared when met.
A form (:mod:`.snapshot_form`) says what is special: how a new snapshot's tree comes about and goes away, by which mounts it is
shown, and what it takes.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Iterator

from ..errors import InvalidState, NotFound, Unavailable
from ..slots.storage import Info, Snapshot, Usage
from .snapshot_records import Meta, Place, Records, is_committed

if TYPE_CHECKING:
    from ..cancel import Cancel
    from ..slots.storage import AcquireRequest, CommitRequest, KeyRequest, LeftoversRequest, Mount, PrepareRequest
    from .snapshot_form import Form  # a protocol costs time to make, and every run would pay it


class FolderDriver:
    """Implements :class:`conman_kernel.slots.storage.StorageDriver`.

    :param form: see :class:`~conman_kernel.support.snapshot_form.Form`.
    :param state_dir: where everything lies, see :mod:`.snapshot_records`; made with the first snapshot.
    :param sync: ``commit`` waits until the layer is on the disk.
    """

    def __init__(self, form: Form, state_dir: str, *, sync: bool = True) -> None:
        self.whiteouts = form.whiteouts
        self.independent_layers = form.independent_layers
        self._form = form
        self._records = Records(state_dir)
        self._sync = sync

    def prepare(self, request: PrepareRequest) -> Snapshot:
        """See the slot."""
        with _Doing(f"preparing snapshot {request.key}"):
            return Snapshot(request.key, self._start(request, view=False))

    def view(self, request: PrepareRequest) -> Snapshot:
        """See the slot. Without a parent it shows an empty folder."""
        with _Doing(f"preparing a view {request.key}"):
            self._start(request, view=True)
            return Snapshot(request.key, None)

    def commit(self, request: CommitRequest) -> None:
        """See the slot."""
        records = self._records
        with _Doing(f"committing snapshot {request.key}"):
            folder, meta = records.find_active(request.key)
            if meta.view:
                raise InvalidState(f"{request.key} is a view: nothing to commit")
            lock = records.lock("shared", request.cancel)
            try:
                chain = self._whole(request.key, meta.parent, records.chain(meta.parent))
                self._form.seal(self._place(folder, meta.parent, chain, view=False))
                self._publish(folder, meta._replace(name=request.name, chain=chain))
            finally:
                os.close(lock)

    def mounts(self, request: KeyRequest) -> tuple[Mount, ...]:
        """See the slot."""
        with _Doing(f"mounting snapshot {request.key}"):
            folder, meta = self._records.find_active(request.key)
            chain = meta.chain
            if meta.parent is not None and not chain:  # it came after this snapshot
                chain = self._whole(request.key, meta.parent, self._records.chain(meta.parent))
            return self._form.mounts(self._place(folder, meta.parent, chain, view=meta.view))

    def planned(self, request: PrepareRequest) -> tuple[Mount, ...]:
        """See :class:`~conman_kernel.slots.storage.PlanningDriver`."""
        with _Doing(f"planning snapshot {request.key}"):
            records = self._records
            chain = self._whole(request.key, request.parent, records.chain(request.parent))
            return self._form.mounts(self._place(records.active(request.key), request.parent, chain, view=False))

    def layer(self, request: KeyRequest) -> str | None:
        """See the slot."""
        with _Doing(f"looking at snapshot {request.key}"):
            folder, meta = self._records.find(request.key)
            return None if meta.view and meta.parent else f"{folder}/fs"

    def remove(self, request: KeyRequest) -> None:
        """See the slot. The snapshot is gone for everybody with one rename; its files are deleted after that."""
        records = self._records
        with _Doing(f"removing snapshot {request.key}"):
            discarded = records.discard(records.active(request.key))
            if discarded:
                self._form.remove(discarded)
                return
            folder = records.committed(request.key)
            if os.path.isdir(folder):
                lock = records.lock("exclusive", request.cancel)
                try:
                    if records.read(folder) is not None:
                        records.refuse_if_parent(request.key)
                    records.discard(folder)
                finally:
                    os.close(lock)
            for left in records.trash():  # whoever renamed it there may have been killed before the deletion
                self._form.remove(left)

    def stat(self, request: KeyRequest) -> Info:
        """See the slot."""
        with _Doing(f"looking at snapshot {request.key}"):
            return _info(*self._records.find(request.key))

    def walk(self, cancel: Cancel) -> Iterator[Info]:
        """See the slot."""
        with _Doing("listing snapshots"):
            for folder, meta in self._records.all():
                cancel.check()
                yield _info(folder, meta)

    def usage(self, request: KeyRequest) -> Usage:
        """See the slot."""
        with _Doing(f"measuring snapshot {request.key}"):
            folder, meta = self._records.find(request.key)
            if meta.view and meta.parent:
                return Usage(0, 0)
            return self._form.usage(self._place(folder, meta.parent, meta.chain, view=meta.view))

    def acquire(self, request: AcquireRequest) -> bool:
        """Never: nothing is here that was not given."""
        return False

    def leftovers(self, request: LeftoversRequest) -> tuple[str, ...]:
        """See the slot."""
        with _Doing("looking for what is left of snapshots"):
            return tuple(self._records.left(request.keep))

    def clear(self, request: LeftoversRequest) -> None:
        """See the slot."""
        with _Doing("clearing what is left of snapshots"):
            for path in self._records.left(request.keep):
                request.cancel.check()
                if self._records.damaged(path) and not is_committed(path):
                    continue
                if os.path.dirname(path) == self._records.folder:
                    path = self._records.discard(path)
                if path:
                    self._form.remove(path)

    def close(self) -> None:
        """Nothing is held."""

    def _place(self, folder: str, parent: str | None, chain: tuple[str, ...] | None, *, view: bool) -> Place:
        lower = None if chain is None else tuple(f"{self._records.folder}/c{one}/fs" for one in chain)
        return Place(folder, f"{folder}/fs", view, parent, lower)

    def _whole(self, key: str, parent: str | None, chain: tuple[str, ...] | None) -> tuple[str, ...]:
        if chain is None:
            raise NotFound(f"snapshot {parent}, the parent of {key}, is not committed",
                           hint="conman system check --repair brings a layer again that is gone")
        return chain

    def _start(self, request: PrepareRequest, *, view: bool) -> str:
        records = self._records
        lock = records.lock("shared", request.cancel)
        try:
            chain = records.chain(request.parent)
            if view or not self.independent_layers:
                self._whole(request.key, request.parent, chain)
            folder = records.start(request.key)
            place = self._place(folder, request.parent, chain, view=view)
            if not view or request.parent is None:
                self._form.fill(place, request.cancel)
            records.write(folder, Meta(request.key, "", request.parent, view, time.time(), chain))
        finally:
            os.close(lock)
        return place.tree

    def _publish(self, folder: str, meta: Meta) -> None:
        if not self._sync:
            self._records.publish(folder, meta)
            return
        from .syncing import sync_file_system, sync_folder

        sync_file_system(folder)
        self._records.publish(folder, meta)
        sync_folder(self._records.folder)


class _Doing:
    """Turns the system's errors into the kernel's."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise Unavailable(f"{self._what}: {(error.strerror or str(error)).lower()}") from error


def _info(folder: str, meta: Meta) -> Info:
    if is_committed(folder):
        return Info(meta.name, meta.parent, "committed", meta.created)
    return Info(meta.key, meta.parent, "view" if meta.view else "active", meta.created)
