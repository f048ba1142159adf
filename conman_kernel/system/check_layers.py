"""Layers, snapshots and images against each other."""

from __future__ import annotations

import time
from typing import Iterator

from .facts import Disk, Rows
from .findings import Finding


def layers(disk: Disk, rows: Rows, max_age: float) -> Iterator[Finding]:
    """What a driver holds and the index does not know, what the index knows and no driver holds, and who suffers from it."""
    yield from _snapshots(disk, rows)
    yield from _rows(disk, rows)
    yield from _images(disk, rows)
    yield from _containers(disk, rows)
    yield from _unused(rows, max_age)
    for image_id, driver, key in rows.mounts:
        if driver in disk.snapshots and ("active", key) not in disk.snapshots[driver]:
            yield Finding("image-mount", image_id, "it counts as mounted, but its snapshot is gone", "forgotten")


def _snapshots(disk: Disk, rows: Rows) -> Iterator[Finding]:
    layers, actives = set(rows.leased.layers), set(rows.leased.snapshots)
    actives |= {(row[3], row[0]) for row in rows.containers} | {(driver, key) for _, driver, key in rows.mounts}
    for driver, found in disk.snapshots.items():
        for kind, name in found:
            if kind == "committed" and (driver, name) not in rows.layers and (driver, name) not in layers:
                yield Finding("snapshot-unknown", f"{driver} {name}", "a layer that the index does not know", "removed")
            elif kind == "active" and (driver, name) not in actives:
                yield Finding("snapshot-unknown", f"{driver} {name}", "neither a container's nor a lease's", "removed")


def _rows(disk: Disk, rows: Rows) -> Iterator[Finding]:
    leased = set(rows.leased.layers)
    for driver, chain_id in rows.layers:
        held = disk.snapshots.get(driver)
        if held is not None and ("committed", chain_id) not in held and (driver, chain_id) not in leased:
            yield Finding("layer-missing", f"{driver} {chain_id}", "the index knows it, the driver does not hold it",
                          "unpacked again, from its kept blob or its registry")


def _images(disk: Disk, rows: Rows) -> Iterator[Finding]:
    needs: dict[str, list[str]] = {image_id: [] for image_id in rows.images}
    for image_id, _, chain_id, *_ in rows.image_layers:
        needs.setdefault(image_id, []).append(chain_id)
    drivers = {driver for driver, _ in rows.layers}
    leased = {chain_id for _, chain_id in rows.leased.layers}
    for image_id, chain in needs.items():
        if image_id not in rows.images or leased.intersection(chain):
            continue  # dangling rows, or somebody is at work on it
        whole = any(all((driver, chain_id) in rows.layers for chain_id in chain) for driver in drivers)
        top = rows.images[image_id]
        if (chain and not whole) or top != (chain[-1] if chain else ""):
            yield Finding("image-incomplete", image_id, "no storage driver holds all of its layers",
                          "its layers are unpacked again")


def _containers(disk: Disk, rows: Rows) -> Iterator[Finding]:
    for id, name, state, driver, _, chain_id, _ in rows.containers:
        held = disk.snapshots.get(driver)
        if held is None or state in ("creating", "removing"):
            continue
        if ("active", id) not in held:
            yield Finding("container-snapshot", id, f"the file system of {name} is gone", "removed, where forced")
        if chain_id and (driver, chain_id) not in rows.layers:
            yield Finding("container-layer", id, f"{name} stands on {chain_id}, which the index does not know",
                          "its image's layers are unpacked again")


def _unused(rows: Rows, max_age: float) -> Iterator[Finding]:
    used = {chain_id for _, _, chain_id, *_ in rows.image_layers}
    below = {(row[3], row[5]) for row in rows.containers}
    waiting = list(below)
    while waiting:
        driver, chain_id = waiting.pop()
        parent = rows.layers.get((driver, chain_id), (None, "", 0.0))[0]
        if parent and (driver, parent) not in below:
            below.add((driver, parent))
            waiting.append((driver, parent))
    leased, now = set(rows.leased.layers), time.time()
    for (driver, chain_id), (_, _, created) in rows.layers.items():
        if chain_id not in used and (driver, chain_id) not in below | leased and now - created > max_age:
            yield Finding("layer-unused", f"{driver} {chain_id}", "no image, container or lease needs it", "removed")
