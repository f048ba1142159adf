"""Layers against their blobs: each is unpacked once more beside the one that is there, and the two are compared.

This alone of a check writes: a snapshot at a time, under a lease, removed at once. A driver that shows a snapshot's entries in
no folder (:meth:`~conman_kernel.slots.storage.StorageDriver.layer`) cannot be verified so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidState, NotFound
from ..images import leases
from ..images.collection import release
from ..images.crew import Crew
from ..images.layers import Layers, Plan
from ..images.leases import Items
from ..oci.descriptor import Descriptor
from ..slots.storage import KeyRequest
from ..store import image_rows
from .compare import first_difference
from .findings import Finding

if TYPE_CHECKING:
    from ..images.parts import Parts
    from .facts import Rows

ALTERED = "made again from its blob, with all layers above it, unless a container stands on it"


def verify(parts: Parts, rows: Rows, broken: Sequence[str], cancel: Cancel) -> tuple[list[Finding], int, list[str]]:
    """Compare every layer whose blob is kept.

    :param broken: ``DRIVER CHAINID`` that are known to be missing, or not to be read.
    :returns: findings, how many layers were compared, and what was not, for a person.
    """
    found: list[Finding] = []
    skipped: list[str] = []
    bad, count = set(broken), 0
    for driver, plans in _plans(rows).items():
        for plan in plans:
            subject = f"{driver} {plan.chain_id}"
            if subject in bad or f"{driver} {plan.parent}" in bad:
                bad.add(subject)  # what stands on a broken layer is made again with it
                continue
            if not parts.blobs.has(plan.blob.digest):
                skipped.append(f"layer {subject}: its blob is not kept")
                continue
            try:
                told = _verify(parts._replace(default_storage=driver), plan, cancel)
            except ConmanError as error:
                cancel.check()
                found.append(Finding("layer-unverified", subject, error.message, ""))
                continue
            count += told is not None
            if told is None:
                skipped.append(f"layer {subject}: the driver shows it in no folder")
            elif told:
                bad.add(subject)
                found.append(Finding("layer-altered", subject, told, ALTERED))
    return found, count, skipped


def _plans(rows: Rows) -> dict[str, list[Plan]]:
    """Each layer of each driver once, parents first."""
    found: dict[str, dict[str, Plan]] = {}
    below: dict[str, str] = {}
    for image_id, number, chain_id, diff_id, digest, size, media_type in rows.image_layers:
        parent = below.get(image_id) if number else None
        below[image_id] = chain_id
        for driver in {driver for driver, _ in rows.layers}:
            if (driver, chain_id) in rows.layers:
                blob = Descriptor(media_type, digest, size)
                plan = Plan(number + 1, "", chain_id, parent, diff_id, blob)
                found.setdefault(driver, {}).setdefault(chain_id, plan)
    return {driver: sorted(plans.values(), key=lambda plan: plan.number) for driver, plans in found.items()}


def _verify(parts: Parts, plan: Plan, cancel: Cancel) -> str | None:
    """What differs first; empty: nothing, None: the driver does not show it."""
    driver = parts.storage(parts.default_storage)
    lease = leases.new_id()
    mine = plan._replace(key=f"check-{lease}-{plan.number}")
    snapshot = (parts.default_storage, mine.key)
    with parts.database.write() as db:
        held = tuple((parts.default_storage, chain_id) for chain_id in (plan.chain_id, plan.parent) if chain_id)
        leases.take(db, "check", Items(held, (snapshot,), (plan.blob.digest,)), lease)
    try:
        with Crew(parts.worker, 1) as crew:
            layers = Layers(parts, "the check", crew, cancel, _gone)
            result = layers.unpack(mine, lambda done: None, on_parent=False)
            if result.needs_parent:
                layers.unpack(mine, lambda done: None, on_parent=True)
        fresh = driver.layer(KeyRequest(mine.key, cancel))
        there = driver.layer(KeyRequest(plan.chain_id, cancel))
        return None if fresh is None or there is None else first_difference(fresh, there, cancel)
    finally:
        release(parts, [lease], Cancel())


def _gone(plan: Plan) -> None:
    raise NotFound(f"the blob {plan.blob.digest} went while its layer was checked")


def forget_layers(parts: Parts, driver: str, chain_ids: Sequence[str], cancel: Cancel) -> None:
    """Remove layers with all that stands on them from a driver; they are unpacked again by whoever wants their images.

    :raises InvalidState: a container, or something else that is at work, stands on one of them; some may be gone then.
    """
    held = parts.storage(driver)
    with parts.database.read() as db:
        parents = dict(db.execute("SELECT chain_id, parent FROM layers WHERE driver = ?", (driver,)).fetchall())
    doomed = list(chain_ids)
    for chain_id in doomed:
        doomed += [child for child, parent in parents.items() if parent == chain_id and child not in doomed]
    with parts.database.read() as db:
        users = [row[0] for row in db.execute("SELECT name, storage, image_chain_id FROM containers ORDER BY num")
                 if row[1] == driver and row[2] in doomed]
    if users:
        raise InvalidState(f"the layer has containers on it: {', '.join(users[:5])}", hint="remove them, or use --force")
    items = Items(tuple((driver, chain_id) for chain_id in doomed))
    with parts.database.write() as db:
        lease = leases.take(db, f"repair at {time.time():.0f}", items)
    try:
        for chain_id in reversed(doomed):
            held.remove(KeyRequest(chain_id, cancel))
            with parts.database.write() as db:
                image_rows.remove_layers(db, [(driver, chain_id)])
    finally:
        with parts.database.write() as db:
            leases.drop(db, [lease])
