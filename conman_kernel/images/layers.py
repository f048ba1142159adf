"""One layer: unpacked by a worker into a snapshot of its own, checked against the configuration, committed.

A layer is unpacked beside its siblings where the driver allows that; one that turns out to need what lies below it (the
worker says so) is unpacked once more, on the mounted tree, when everything below is committed.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import Callable, Iterator

from ..cancel import Cancel
from ..errors import AlreadyExists, DeadlineExceeded, DigestMismatch, InvalidInput, NotFound, Unavailable
from ..oci.descriptor import Descriptor
from ..record import Record
from ..slots.storage import CommitRequest, KeyRequest, PrepareRequest, StorageDriver, Whiteouts
from ..store import image_rows
from ..store.image_rows import Committed
from ..worker.jobs import UnpackRequest, UnpackResult
from .collection import LOCK
from .crew import Crew
from .mounted import merged
from .parts import Parts

OTHERS = 8
"""How often a blob is fetched again that others take away: each of them does so once, a collection that had marked it before our
lease, a pull of the same image that is done with it."""


class Plan(Record):
    """One layer that is to be made.

    :param number: counted from 1, for messages.
    :param key: of the snapshot it is unpacked into.
    :param parent: chain id of the layer below, None for the lowest.
    """

    number: int
    key: str
    chain_id: str
    parent: str | None
    diff_id: str
    blob: Descriptor


class Layers:
    """Makes the layers of one image, in one storage driver.

    :param what: names the image in messages.
    :param crew: unpacks.
    :param fetch: brings a layer's blob into the store again, should somebody have collected it.
    """

    def __init__(self, parts: Parts, what: str, crew: Crew, cancel: Cancel, fetch: Callable[[Plan], None]) -> None:
        self._parts = parts
        self._what = what
        self._crew = crew
        self._cancel = cancel
        self._fetch = fetch
        self.driver: StorageDriver = parts.storage(parts.default_storage)

    def unpack(self, plan: Plan, progress: Callable[[int], None], *, on_parent: bool) -> UnpackResult:
        """Unpack a layer into its snapshot. May run in several threads at once, for different layers.

        :param progress: called with the bytes of the blob that are done.
        :param on_parent: everything below is committed: write the merged tree.
        :returns: the result; with ``needs_parent`` the layer is to be unpacked again, ``on_parent``.
        :raises DigestMismatch: the layer is another one than the configuration says.
        :raises ConmanError: of the driver and of :meth:`~conman_kernel.worker.client.Worker.unpack`.
        """
        driver = self.driver
        driver.remove(KeyRequest(plan.key, self._cancel))
        snapshot = driver.prepare(PrepareRequest(plan.key, plan.parent, self._cancel))
        blob = self._open_blob(plan)
        try:
            if snapshot.layer_path is not None and not on_parent:
                with _folder(snapshot.layer_path) as target:
                    result = self._run(plan, blob, target, driver.whiteouts, progress,
                                       whole=driver.whiteouts is Whiteouts.APPLIED)
            else:
                mounts = driver.mounts(KeyRequest(plan.key, self._cancel))
                with merged(mounts, self._parts.layout, plan.key) as target:
                    result = self._run(plan, blob, target, Whiteouts.APPLIED, progress, whole=True)
        finally:
            os.close(blob)
        if not result.needs_parent and result.diff_id != plan.diff_id:
            raise DigestMismatch(f"layer {plan.number} of {self._what} unpacks to {result.diff_id}, but the image's "
                                 f"configuration says {plan.diff_id}",
                                 hint="the image is broken or forged; ask who made it")
        return result

    def commit(self, plan: Plan, size: int) -> None:
        """Make an unpacked layer immutable and note it. All below must be committed.

        :param size: bytes of its uncompressed archive.
        """
        request = CommitRequest(plan.key, plan.chain_id, self._cancel)
        try:
            self.driver.commit(request)
        except AlreadyExists:
            self._join(request)
        layer = Committed(self._parts.default_storage, plan.chain_id, plan.parent, plan.diff_id, size)
        with self._parts.database.write() as db:
            image_rows.put_layer(db, layer, time.time())

    def _join(self, request: CommitRequest) -> None:
        # Somebody was faster, or a collection is about to remove a copy that nobody wanted before we did.
        with self._parts.locks.acquire(LOCK, self._cancel):
            try:
                self.driver.stat(KeyRequest(request.name, self._cancel))
            except NotFound:
                self.driver.commit(request)
            else:
                self.driver.remove(KeyRequest(request.key, self._cancel))

    def _open_blob(self, plan: Plan) -> int:
        for _ in range(OTHERS):
            try:
                return self._parts.blobs.open(plan.blob.digest)
            except NotFound:
                self._fetch(plan)
        return self._parts.blobs.open(plan.blob.digest)

    def _run(self, plan: Plan, blob: int, target: int, whiteouts: Whiteouts, progress: Callable[[int], None], *,
             whole: bool) -> UnpackResult:
        request = UnpackRequest(
            blob_fd=blob, target_fd=target, media_type=plan.blob.media_type, whiteouts=whiteouts, cancel=self._cancel,
            merged=whole, base=plan.parent is None, progress=progress)
        try:
            return self._crew.unpack(request)
        except (InvalidInput, Unavailable) as error:
            if isinstance(error, DeadlineExceeded):
                raise
            raise type(error)(f"layer {plan.number} of {self._what}: {error.message}", hint=error.hint) from None


@contextmanager
def _folder(path: str) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
