"""The driver: which snapshots there are, and the mounts that show them. What a snapshot is made of is in `images`."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager
from typing import Iterator, Literal

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, ConmanError, InvalidState, NotFound, Unavailable
from conman_kernel.slots.storage import (
    AcquireRequest,
    CommitRequest,
    Info,
    KeyRequest,
    LeftoversRequest,
    Mount,
    PrepareRequest,
    Snapshot,
    Usage,
    Whiteouts,
)
from conman_kernel.support import trees
from conman_kernel.support.snapshot_records import Meta, Records, is_committed
from conman_kernel.support.syncing import sync_folder

from .images import Images, inodes_used


class DiskDriver:
    """See conman_kernel.slots.storage, `StorageDriver` and `TidyDriver`."""

    whiteouts = Whiteouts.APPLIED    # what is mounted shows the whole tree
    independent_layers = False       # a disk begins as a copy of its parent's

    def __init__(self, images: Images, state_dir: str, *, mount_options: tuple[str, ...], sync: bool) -> None:
        self._images, self._sync, self._options = images, sync, mount_options
        self._records = Records(state_dir)

    def prepare(self, request: PrepareRequest) -> Snapshot:
        """See the slot. The whole tree is shown by mounts only."""
        return self._make(request, view=False)

    def view(self, request: PrepareRequest) -> Snapshot:
        """See the slot. Its parent's own disk is shown, read only; nothing is copied."""
        return self._make(request, view=True)

    def commit(self, request: CommitRequest) -> None:
        """See the slot. Nobody may have it mounted."""
        with self._locked("shared", request.cancel):
            folder, meta = self._records.find_active(request.key)
            if meta.view:
                raise InvalidState(f"the snapshot {request.key} is a view, and cannot be committed")
            self._chain(meta.parent)
            with _words(f"commit the snapshot {request.key}"):
                if self._sync:
                    _write_out(_disk(folder))
                    sync_folder(folder)
                self._records.publish(folder, meta._replace(name=request.name))
                if self._sync:
                    sync_folder(self._records.folder)

    def mounts(self, request: KeyRequest) -> tuple[Mount, ...]:
        """See the slot."""
        folder, meta = self._records.find_active(request.key)
        disk = _disk(self._records.committed(meta.parent) if meta.view and meta.parent is not None else folder)
        # A committed disk was unmounted before it was committed: there is no journal to replay, and nothing may be written.
        how = ("ro", "noload") if meta.view else ("rw",)
        return (Mount("ext4", disk, ("loop", *how, *self._options)),)

    def layer(self, request: KeyRequest) -> str | None:
        """See the slot: a disk has no folder."""
        self._records.find(request.key)
        return None

    def remove(self, request: KeyRequest) -> None:
        """See the slot. It is gone for everybody with one rename; the disk is deleted after that."""
        with self._locked("exclusive", request.cancel), _words(f"remove the snapshot {request.key}"):
            try:
                folder, meta = self._records.find(request.key)
            except NotFound:
                folder = self._records.active(request.key)  # maybe half made
            else:
                if is_committed(folder):
                    self._records.refuse_if_parent(meta.name)
            self._records.discard(folder)
        self._empty_trash()

    def stat(self, request: KeyRequest) -> Info:
        """See the slot."""
        return _info(*self._records.find(request.key))

    def walk(self, cancel: Cancel) -> Iterator[Info]:
        """See the slot."""
        for folder, meta in self._records.all():
            cancel.check()
            yield _info(folder, meta)

    def usage(self, request: KeyRequest) -> Usage:
        """See the slot. Inodes are those in the disk, as of when it was last unmounted or written out; what it shares with its
        parent's by reflinks counts in both."""
        folder, meta = self._records.find(request.key)
        if meta.view and meta.parent is not None:
            return Usage(0, 0)
        with _words(f"measure the snapshot {request.key}"):
            return Usage(os.stat(_disk(folder)).st_blocks * 512, inodes_used(_disk(folder)))

    def acquire(self, request: AcquireRequest) -> bool:
        """See the slot: never."""
        return False

    def leftovers(self, request: LeftoversRequest) -> tuple[str, ...]:
        """See the slot."""
        return tuple(sorted(self._records.left(request.keep)))

    def clear(self, request: LeftoversRequest) -> None:
        """See the slot."""
        with self._locked("exclusive", request.cancel), _words("clear what was left behind"):
            for folder in self._records.left(request.keep):
                if is_committed(folder) or not self._records.damaged(folder):
                    self._records.discard(folder)
        self._empty_trash()

    def close(self) -> None:
        """See the slot: nothing is held."""

    def _make(self, request: PrepareRequest, *, view: bool) -> Snapshot:
        # The lock keeps the parent, and is held while the disk is copied: removals wait for that, other copies do not.
        with self._locked("shared", request.cancel):
            chain = self._chain(request.parent)
            with _words(f"prepare the snapshot {request.key}"):
                folder = self._records.start(request.key)
                try:
                    if request.parent is None:
                        self._images.empty(_disk(folder), request.cancel)
                    elif not view:
                        self._images.copy(_disk(self._records.committed(request.parent)), _disk(folder), request.cancel)
                    self._records.write(folder, Meta(request.key, "", request.parent, view, time.time(), chain))
                except BaseException:
                    self._records.discard(folder)
                    self._empty_trash()
                    raise
        return Snapshot(request.key, None)

    def _chain(self, parent: str | None) -> tuple[str, ...]:
        found = self._records.chain(parent)
        if found is None:
            raise NotFound(f"there is no committed snapshot {parent}")
        return found

    def _empty_trash(self) -> None:
        for folder in self._records.trash():
            trees.remove(folder)

    @contextmanager
    def _locked(self, how: Literal["shared", "exclusive"], cancel: Cancel) -> Iterator[None]:
        fd = self._records.lock(how, cancel)
        try:
            yield
        finally:
            os.close(fd)


def _disk(folder: str) -> str:
    return os.path.join(folder, "disk")


def _write_out(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _info(folder: str, meta: Meta) -> Info:
    committed = is_committed(folder)  # a commit that was killed halfway has written the name, and is none
    kind: Literal["active", "view", "committed"] = "committed" if committed else "view" if meta.view else "active"
    return Info(meta.name if committed else meta.key, meta.parent, kind, meta.created)


@contextmanager
def _words(doing: str) -> Iterator[None]:
    try:
        yield
    except ConmanError:
        raise
    except FileExistsError as error:
        raise AlreadyExists(f"cannot {doing}: {error.filename} is there") from error
    except OSError as error:
        hint = "is the disk full?" if error.errno == errno.ENOSPC else ""
        raise Unavailable(f"cannot {doing}: {error.strerror}: {error.filename}", hint=hint) from error
