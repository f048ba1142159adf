"""The overlay driver: a folder a layer, committed by rename, shown by one overlay mount."""

from __future__ import annotations

import os
import stat
import time
from typing import Iterator

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError, InvalidState, NotFound, Unavailable
from conman_kernel.slots.storage import (
    AcquireRequest,
    CommitRequest,
    Info,
    KeyRequest,
    Mount,
    PrepareRequest,
    Snapshot,
    Usage,
    Whiteouts,
)

from .records import Meta, Records, is_committed, short
from .trees import copy_attributes, delete, measure

# no tar describes a root folder like this; a layer that says nothing of its root leaves it so
_UNDESCRIBED = 0o1000


class OverlayDriver:
    """Implements :class:`conman_kernel.slots.storage.StorageDriver`.

    A layer may be unpacked before its parent. It then says nothing of the root folder's attributes where it does not
    list it; the parent's are taken over at ``commit``.

    :param state_dir: where everything lies.
    :param sync: ``commit`` waits until the layer is on the disk.
    :param mount_options: added to every overlay mount.
    """

    whiteouts = Whiteouts.OVERLAY
    independent_layers = True

    def __init__(self, state_dir: str, *, sync: bool = True, mount_options: tuple[str, ...] = ()) -> None:
        self._records = Records(state_dir)
        self._sync = sync
        self._mount_options = mount_options

    def prepare(self, request: PrepareRequest) -> Snapshot:
        """See the slot."""
        with _Failing(f"preparing snapshot {request.key}"):
            return self._start(request, view=False)

    def view(self, request: PrepareRequest) -> Snapshot:
        """See the slot. Without a parent it shows an empty folder."""
        with _Failing(f"preparing a view {request.key}"):
            return self._start(request, view=True)

    def commit(self, request: CommitRequest) -> None:
        """See the slot."""
        records = self._records
        with _Failing(f"committing snapshot {request.key}"):
            folder, meta = records.find_active(request.key)
            if meta.view:
                raise InvalidState(f"{request.key} is a view: nothing to commit")
            lock = records.lock("shared", request.cancel)
            try:
                chain = self._chain(meta.parent)
                if chain is None:
                    raise NotFound(f"snapshot {meta.parent}, the parent of {request.key}, is not committed")
                self._describe_root(folder, meta.parent)
                if os.path.isdir(folder + "/work"):
                    delete(folder + "/work")
                if self._sync:
                    _sync(folder)
                records.publish(folder, meta._replace(name=request.name, chain=chain))
                if self._sync:
                    _fsync(records.folder)
            finally:
                os.close(lock)

    def mounts(self, request: KeyRequest) -> tuple[Mount, ...]:
        """See the slot."""
        with _Failing(f"mounting snapshot {request.key}"):
            folder, meta = self._records.find_active(request.key)
            chain = meta.chain if meta.chain is not None else self._chain(meta.parent)
        if chain is None:
            raise NotFound(f"snapshot {meta.parent}, the parent of {request.key}, is not committed")
        lower = [f"{self._records.folder}/c{one}/fs" for one in chain]
        if meta.view and len(lower) <= 1:
            return (Mount("bind", lower[0] if lower else f"{folder}/fs", ("bind", "ro")),)
        if not lower:
            return (Mount("bind", f"{folder}/fs", ("bind", "rw")),)
        options = ["lowerdir=" + ":".join(_escape(path) for path in lower)]
        if meta.view:
            options.insert(0, "ro")
        else:
            options += [f"upperdir={_escape(folder)}/fs", f"workdir={_escape(folder)}/work"]
        return (Mount("overlay", "overlay", (*options, "index=off", *self._mount_options)),)

    def remove(self, request: KeyRequest) -> None:
        """See the slot. The snapshot is gone for everybody with one rename; its files are deleted after that."""
        records = self._records
        with _Failing(f"removing snapshot {request.key}"):
            discarded = records.discard(records.active(request.key))
            if discarded:
                delete(discarded)
                return
            folder = records.committed(request.key)
            if not os.path.isdir(folder):
                return
            lock = records.lock("exclusive", request.cancel)
            try:
                if records.read(folder) is not None:
                    records.refuse_if_parent(request.key)
                records.discard(folder)
            finally:
                os.close(lock)
            for left in records.trash():
                delete(left)

    def stat(self, request: KeyRequest) -> Info:
        """See the slot."""
        with _Failing(f"looking at snapshot {request.key}"):
            return _info(*self._records.find(request.key))

    def walk(self, cancel: Cancel) -> Iterator[Info]:
        """See the slot."""
        with _Failing("listing snapshots"):
            for folder, meta in self._records.all():
                cancel.check()
                yield _info(folder, meta)

    def usage(self, request: KeyRequest) -> Usage:
        """See the slot."""
        with _Failing(f"measuring snapshot {request.key}"):
            folder, meta = self._records.find(request.key)
            return Usage(0, 0) if meta.view and meta.parent else measure(f"{folder}/fs")

    def acquire(self, request: AcquireRequest) -> bool:
        """Never: this driver has nothing that was not given to it."""
        return False

    def close(self) -> None:
        """Nothing is held."""

    def _chain(self, name: str | None) -> tuple[str, ...] | None:
        """Ids from ``name`` down to the first layer; None where it is not committed."""
        if name is None:
            return ()
        meta = self._records.read(self._records.committed(name))
        if meta is None or meta.name != name or meta.chain is None:
            return None
        return (short(name), *meta.chain)

    def _start(self, request: PrepareRequest, *, view: bool) -> Snapshot:
        records = self._records
        lock = records.lock("shared", request.cancel)
        try:
            chain = self._chain(request.parent)
            if chain is None and view:
                raise NotFound(f"snapshot {request.parent} is not committed")
            folder = records.start(request.key)
            fs = f"{folder}/fs"
            if not view or request.parent is None:
                os.mkdir(fs, 0o755)
                self._root(fs, chain)
            if not view:
                os.mkdir(f"{folder}/work", 0o700)
            records.write(folder, Meta(request.key, "", request.parent, chain, view, time.time()))
        finally:
            os.close(lock)
        return Snapshot(request.key, None if view else fs)

    def _root(self, fs: str, chain: tuple[str, ...] | None) -> None:
        if chain:
            copy_attributes(f"{self._records.folder}/c{chain[0]}/fs", fs)
            return
        os.chmod(fs, _UNDESCRIBED if chain is None else 0o755)
        os.utime(fs, ns=(0, 0))

    def _describe_root(self, folder: str, parent: str | None) -> None:
        fs = f"{folder}/fs"
        if parent is not None and stat.S_IMODE(os.stat(fs).st_mode) == _UNDESCRIBED:
            copy_attributes(f"{self._records.committed(parent)}/fs", fs)


class _Failing:
    """Turns the system's errors into the kernel's."""

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, ConmanError):
            raise Unavailable(f"{self._doing}: {(error.strerror or str(error)).lower()}") from error


def _info(folder: str, meta: Meta) -> Info:
    if is_committed(folder):
        return Info(meta.name, meta.parent, "committed", meta.created)
    return Info(meta.key, meta.parent, "view" if meta.view else "active", meta.created)


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _sync(folder: str) -> None:
    import ctypes

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(fd):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)


def _fsync(folder: str) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
