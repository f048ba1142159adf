"""The vfs driver: a snapshot is a copy of its parent, committed by rename, shown by a bind mount."""

from __future__ import annotations

import os
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

from .copying import copy_tree
from .records import Meta, Records, is_committed
from .trees import delete, measure


class VfsDriver:
    """Implements :class:`conman_kernel.slots.storage.StorageDriver`.

    A snapshot's folder shows the whole tree, so a layer is written into it with its whiteouts applied. Files share
    their blocks where the file system can (reflinks).

    :param state_dir: where everything lies.
    :param sync: ``commit`` waits until the layer is on the disk.
    """

    whiteouts = Whiteouts.APPLIED
    independent_layers = False

    def __init__(self, state_dir: str, *, sync: bool = True) -> None:
        self._records = Records(state_dir)
        self._sync = sync

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
            if self._sync:
                _sync(folder)
            records.publish(folder, meta._replace(name=request.name))
            if self._sync:
                _fsync(records.folder)

    def mounts(self, request: KeyRequest) -> tuple[Mount, ...]:
        """See the slot. A view is its parent's own folder, read-only."""
        with _Failing(f"mounting snapshot {request.key}"):
            folder, meta = self._records.find_active(request.key)
        if meta.view and meta.parent is not None:
            folder = self._records.committed(meta.parent)
        return (Mount("bind", f"{folder}/fs", ("bind", "ro" if meta.view else "rw")),)

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

    def _start(self, request: PrepareRequest, *, view: bool) -> Snapshot:
        records = self._records
        lock = records.lock("shared", request.cancel)
        try:
            source = None if request.parent is None else self._source(request.parent)
            folder = records.start(request.key)
            fs = f"{folder}/fs"
            if source is None or not view:
                os.mkdir(fs, 0o755)
                os.chmod(fs, 0o755)
                os.utime(fs, ns=(0, 0))
            if source is not None and not view:
                copy_tree(source, fs, request.cancel)
            records.write(folder, Meta(request.key, "", request.parent, view, time.time()))
        finally:
            os.close(lock)
        return Snapshot(request.key, None if view else fs)

    def _source(self, parent: str) -> str:
        folder = self._records.committed(parent)
        meta = self._records.read(folder)
        if meta is None or meta.name != parent:
            raise NotFound(f"snapshot {parent} is not committed")
        return f"{folder}/fs"


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
