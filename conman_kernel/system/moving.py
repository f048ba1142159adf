"""The steps of a migration: one layer, one container, what is left of the old driver. Each is whole or undone."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Iterator, Sequence

from ..cancel import Cancel
from ..containers import rows
from ..errors import InvalidState, Unavailable
from ..images import leases
from ..images.collection import LOCK, release
from ..images.leases import Items
from ..images.mounted import merged
from ..images.placing import place
from ..slots.storage import CommitRequest, KeyRequest, PrepareRequest, StorageDriver, Whiteouts
from ..store import image_rows
from ..worker.jobs import CarryRequest
from .compare import first_difference

if TYPE_CHECKING:
    from ..containers.rows import ContainerRow
    from ..images.parts import Parts
    from ..images.records import ImageRecord
    from ..store.image_rows import Committed


class Mover:
    """Moves into one driver. Nobody else may use what is moved meanwhile.

    :param to: the driver that is moved into.
    """

    def __init__(self, parts: Parts, to: str, cancel: Cancel) -> None:
        self._parts = parts._replace(default_storage=to)
        self._to = to
        self._cancel = cancel
        self._target: StorageDriver = parts.storage(to)

    def from_blobs(self, image: ImageRecord) -> None:
        """Unpack an image's missing layers from their blobs. Errors as :meth:`~conman_kernel.images.service.Images.unpack`."""
        place(self._parts, image, self._cancel)

    @contextmanager
    def holding(self, chain: Sequence[str]) -> Iterator[None]:
        """Layers of the target that no image may have stay for the length of the block."""
        lease = leases.new_id()
        self._lease(lease, Items(tuple((self._to, chain_id) for chain_id in chain)))
        try:
            yield
        finally:
            release(self._parts, [lease], Cancel())

    def copy_layer(self, source: str, layer: Committed, name: str) -> None:
        """Copy one layer whose parent the target holds already.

        :param layer: as the target's row will have it.
        :raises InvalidState: the copy is not what was copied. :raises Unavailable: no space, and what drivers say.
        """
        lease = leases.new_id()
        key = f"migrate-{lease}"
        chain = [chain_id for chain_id in (layer.chain_id, layer.parent) if chain_id]
        held = tuple((driver, chain_id) for driver in (source, self._to) for chain_id in chain)
        self._lease(lease, Items(held, ((self._to, key),)))
        try:
            with _worded(f"copying a layer of {name} to {self._to}"):
                self._target.prepare(PrepareRequest(key, layer.parent, self._cancel))
                with self._view(source, layer.chain_id) as shown, self._mounted(self._to, key) as target:
                    self._carry(source, layer.chain_id, layer.parent, shown, target)
                    self._same(shown, target, f"a layer of {name}", source)
                self._target.commit(CommitRequest(key, layer.chain_id, self._cancel))
                with self._parts.database.write() as db:
                    image_rows.put_layer(db, layer, time.time())
        finally:
            release(self._parts, [lease], Cancel())

    def compare(self, source: str, chain_id: str, name: str) -> None:
        """:raises InvalidState: the two drivers show different trees for one layer."""
        with _worded(f"comparing {name}"), self._view(source, chain_id) as one, self._view(self._to, chain_id) as other:
            self._same(one, other, name, source)

    def container(self, row: ContainerRow) -> None:
        """Carry a container's changes over, and let the index say where it is now; then the old snapshot goes.

        :raises InvalidState: the copy is not what was copied. :raises Unavailable: no space, and what drivers say. The container
            is where it was.
        """
        lease, parent = leases.new_id(), row.image_chain_id or None
        held = tuple((driver, parent) for driver in (row.storage, self._to) if parent)
        aside = f"{row.id}-from"  # no snapshot: a mount point that goes with the lease
        self._lease(lease, Items(held, ((self._to, row.id), (row.storage, aside))))
        try:
            with _worded(f"moving container {row.name} to {self._to}"):
                self._target.prepare(PrepareRequest(row.id, parent, self._cancel))
                with self._mounted(row.storage, row.id, aside) as shown, self._mounted(self._to, row.id) as target:
                    self._carry(row.storage, row.id, parent, shown, target)
                    self._same(shown, target, f"container {row.name}", row.storage)
                    _on_disk(target)
            with self._parts.database.write() as db:
                # One transaction: the lease that would take the new snapshot away ends, one that takes the old one away begins.
                rows.update(db, row.id, storage=self._to)
                leases.drop(db, [lease])
                lease = leases.take(db, "migrate", Items(snapshots=((row.storage, row.id),)))
        finally:
            release(self._parts, [lease], Cancel())

    def remove_layers(self, source: str) -> tuple[int, int]:
        """Remove the layers that every image of theirs has in the target, and that no container or process needs.

        :returns: how many went, and how many stay.
        """
        with self._parts.locks.acquire(LOCK, self._cancel), self._parts.database.write() as db:
            held = {row[0]: row[1] for row in db.execute("SELECT chain_id, parent FROM layers WHERE driver = ?", (source,))}
            needed = {chain_id for driver, chain_id in leases.held(db).layers if driver == source}
            needed |= {row[0] for row in db.execute("SELECT image_chain_id FROM containers WHERE storage = ?", (source,))}
            needed |= {row[0] for row in db.execute(
                "SELECT chain_id FROM image_layers WHERE image_id IN (SELECT i.image_id FROM image_layers i WHERE NOT EXISTS "
                "(SELECT 1 FROM layers l WHERE l.driver = ? AND l.chain_id = i.chain_id))", (self._to,))}
            waiting = list(needed)
            while waiting:
                parent = held.get(waiting.pop())
                if parent is not None and parent not in needed:
                    needed.add(parent)
                    waiting.append(parent)
            doomed = [chain_id for chain_id in held if chain_id not in needed]
            image_rows.remove_layers(db, [(source, chain_id) for chain_id in doomed])
            lease = leases.take(db, "migrate", Items(tuple((source, chain_id) for chain_id in doomed)))
        release(self._parts, [lease], self._cancel)
        return len(doomed), len(held) - len(doomed)

    def _carry(self, source: str, key: str, parent: str | None, shown: int, target: int) -> None:
        """Write what ``key`` has changed in its parent onto ``target``, which shows the parent as the target's driver has it."""
        driver = self._parts.storage(source)
        layer = driver.layer(KeyRequest(key, self._cancel)) if driver.whiteouts is Whiteouts.OVERLAY else None
        with ExitStack() as stack:
            below = stack.enter_context(self._view(source, parent)) if parent else None
            upper, form = shown, Whiteouts.APPLIED
            if layer is not None:
                upper, form = os.open(layer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), Whiteouts.OVERLAY
                stack.callback(os.close, upper)
            self._parts.worker().carry(CarryRequest(upper, below, form, target, self._cancel))

    def _same(self, one: int, other: int, what: str, source: str) -> None:
        told = first_difference(f"/proc/self/fd/{one}/.", f"/proc/self/fd/{other}/.", self._cancel)
        if told:
            raise InvalidState(f"{what} in {self._to} is not what it is in {source}: {told}",
                               hint="conman system check --verify-layers tells which of the two is as it was pulled")

    @contextmanager
    def _view(self, driver: str, chain_id: str) -> Iterator[int]:
        """A committed snapshot, mounted read-only and seen by nobody else."""
        lease = leases.new_id()
        key = f"look-{lease}"
        self._lease(lease, Items(((driver, chain_id),), ((driver, key),)))
        try:
            self._parts.storage(driver).view(PrepareRequest(key, chain_id, self._cancel))
            with self._mounted(driver, key) as shown:
                yield shown
        finally:
            release(self._parts, [lease], Cancel())

    @contextmanager
    def _mounted(self, driver: str, key: str, where: str = "") -> Iterator[int]:
        mounts = self._parts.storage(driver).mounts(KeyRequest(key, self._cancel))
        with merged(mounts, self._parts.layout, where or key) as shown:
            yield shown

    def _lease(self, lease: str, items: Items) -> None:
        with self._parts.database.write() as db:
            leases.take(db, "migrate", items, lease)


def _on_disk(folder: int) -> None:
    """Wait until what a container was is on the disk: the old one goes next."""
    from ..support.syncing import sync_file_system

    sync_file_system(f"/proc/self/fd/{folder}")


@contextmanager
def _worded(what: str) -> Iterator[None]:
    """Errors name what was moved."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{what}: {(error.strerror or str(error)).lower()}") from error
    except Unavailable as error:
        if type(error) is not Unavailable:
            raise
        raise Unavailable(f"{what}: {error.message}", hint=error.hint) from error
