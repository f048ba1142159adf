"""All layers of one image into the default storage driver, under a lease: what is there stays, the rest is made."""

from __future__ import annotations

import time
from typing import Callable, Sequence

from ..cancel import Cancel
from ..errors import NotFound
from ..oci.descriptor import Descriptor
from ..slots.storage import AcquireRequest, KeyRequest, StorageDriver
from ..store import image_rows
from ..store.image_rows import Committed, LayerRow
from . import leases
from .collection import release
from .fetch import Source
from .layers import Plan
from .leases import Items
from .parts import Parts
from .records import Progress

KEPT_PARTIALS = 24 * 3600.0
"""Seconds for which the part of a broken download is kept for a next try of the same; then any pull drops it."""


class Bringing:
    """One try to have the layers of one image. Ends with :meth:`release`, or with the caller dropping :attr:`lease`.

    :param what: names the image in messages.
    :param source: where missing layers come from.
    :param emit: takes progress events, from any thread, one at a time.
    """

    def __init__(self, parts: Parts, what: str, source: Source, emit: Callable[[Progress], None],
                 cancel: Cancel) -> None:
        self._parts = parts
        self._what = what
        self._source = source
        self._emit = emit
        self._cancel = cancel
        self._storage = parts.default_storage
        self.lease = leases.new_id()

    def bring(self, layers: Sequence[LayerRow]) -> None:
        """Have every layer committed and noted, lowest first. Errors as :meth:`.service.Images.pull`."""
        driver = self._parts.storage(self._storage)
        chain = [layer.chain_id for layer in layers]
        plans = [Plan(number=n + 1, key=f"unpack-{self.lease}-{n}", chain_id=layer.chain_id,
                      parent=chain[n - 1] if n else None, diff_id=layer.diff_id,
                      blob=Descriptor(layer.media_type, layer.blob_digest, layer.blob_size))
                 for n, layer in enumerate(layers)]
        items = Items(tuple((self._storage, chain_id) for chain_id in chain),
                      tuple((self._storage, plan.key) for plan in plans), tuple(layer.blob_digest for layer in layers))
        with self._parts.database.write() as db:
            leases.take(db, "pull", items, self.lease)
            here = set(image_rows.committed(db, self._storage, chain))
        here = self._still_there(driver, here)
        wanted: list[Plan] = []
        for plan in plans:
            if plan.chain_id in here or (not wanted and self._acquired(driver, plan)):
                self._emit(Progress("exists", plan.blob.digest, plan.blob.size, plan.blob.size))
            else:
                wanted.append(plan)
        self._parts.blobs.drop_partials([plan.blob.digest for plan in wanted], older=KEPT_PARTIALS)
        if wanted:
            from .pipeline import Pipeline

            Pipeline(self._parts, self._source, self._what, self._emit, self._cancel).run(wanted)

    def release(self, *, interrupted: bool = False) -> None:
        """End the lease; what was made and no image needs is removed.

        :param interrupted: finished downloads stay as partial content, for the next try.
        """
        # A token that fired must not keep the clearing from its work.
        release(self._parts, [self.lease], Cancel(), interrupted=interrupted)

    def _still_there(self, driver: StorageDriver, chain_ids: set[str]) -> set[str]:
        lost: set[str] = set()
        for chain_id in chain_ids:
            try:
                driver.stat(KeyRequest(chain_id, self._cancel))
            except NotFound:
                lost.add(chain_id)
        if lost:
            self._parts.log.warning("%d layers vanished from %s and are brought again", len(lost), self._storage)
            with self._parts.database.write() as db:
                image_rows.remove_layers(db, [(self._storage, chain_id) for chain_id in lost])
        return chain_ids - lost

    def _acquired(self, driver: StorageDriver, plan: Plan) -> bool:
        if not driver.acquire(AcquireRequest(plan.chain_id, plan.parent, plan.blob, self._cancel)):
            return False
        size = driver.usage(KeyRequest(plan.chain_id, self._cancel)).size
        layer = Committed(self._storage, plan.chain_id, plan.parent, plan.diff_id, size)
        with self._parts.database.write() as db:
            image_rows.put_layer(db, layer, time.time())
        return True
