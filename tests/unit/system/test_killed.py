"""``kill -9`` at any change of the disk leaves what a check names and a repair clears, or what the next command does without."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Shelf, Store

pytestmark = pytest.mark.slow
DRIVERS = ["overlay-storage", pytest.param("vfs-storage", marks=pytest.mark.stress)]

PROGRAM = Path(__file__).with_name("killed.py")
STRESS = bool(os.environ.get("CONMAN_STRESS"))
POINTS = 24 if STRESS else 6
EXPECTED = {"lease-dead", "snapshot-left", "snapshot-unknown", "container-stale", "container-folder", "partial-stale",
            "blob-unknown", "mount-orphaned"}
"""What a kill may leave: things that are nobody's. Nothing that an image or a container needs is ever missing."""


def run(folder: Path, driver: str, limit: int, *what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PROGRAM), str(folder), driver, str(limit), *what], capture_output=True, text=True,
                          timeout=60)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_kill_anywhere_is_repaired(scratch: Path, shelf: Shelf, driver: str) -> None:
    whole = run(scratch / "whole", driver, 0)
    assert whole.returncode == 0, whole.stderr
    total = int(whole.stdout)
    assert total > 30
    seen: set[str] = set()
    for number in range(POINTS):
        limit = 1 + number * total // POINTS
        folder = scratch / f"at-{limit}"
        done = run(folder, driver, limit)
        assert done.returncode == -signal.SIGKILL, done.stderr
        store = Store(folder, driver, shelf)
        try:
            kinds = store.kinds()
            assert set(kinds) <= EXPECTED, f"killed at {limit}"
            seen.update(kinds)
            if number % 2:
                assert store.system.check(repair=True, max_age=0.0).remaining == (), f"killed at {limit}"
            _usable(store, f"killed at {limit}")
        finally:
            store.close()
    assert "lease-dead" in seen


def _damaged(folder: Path, driver: str, shelf: Shelf) -> dict[str, object]:
    """A store in which a blob, a layer and a file of a layer are not what they were; the trees that its images showed."""
    store = Store(folder, driver, shelf)
    try:
        one, two = store.pull("one"), store.pull("two")
        trees: dict[str, object] = {image.id: store.tree(image.top_chain_id) for image in (one, two)}
        (store.layer_folder(one.layers[1]) / "etc" / "middle").write_bytes(b"altered")
        shutil.rmtree(store.layer_folder(two.layers[2]).parent)
        next((Path(store.layout.blobs) / "sha256").iterdir()).write_bytes(b"altered")
        (store.layer_folder(one.layers[0]).parent.parent / "c0123" / "fs").mkdir(parents=True)
    finally:
        store.close()
    return trees


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_repair_that_is_killed_is_gone_on_with(scratch: Path, shelf: Shelf, driver: str) -> None:
    _damaged(scratch / "whole", driver, shelf)
    whole = run(scratch / "whole", driver, 0, "repair")
    assert whole.returncode == 0, whole.stderr
    total = int(whole.stdout)
    for number in range(POINTS // 2):
        limit = 1 + number * total // (POINTS // 2)
        folder = scratch / f"at-{limit}"
        trees = _damaged(folder, driver, shelf)
        done = run(folder, driver, limit, "repair")
        assert done.returncode == -signal.SIGKILL, done.stderr
        store = Store(folder, driver, shelf)
        try:
            report = store.system.check(repair=True, verify_layers=True, max_age=0.0)
            assert report.remaining == (), f"killed at {limit}"
            assert {image.id: store.tree(image.top_chain_id) for image in store.images.list()} == trees, f"killed at {limit}"
            assert store.kinds(verify_layers=True) == []
        finally:
            store.close()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("verb", ["pull", "rmi", "tag", "untag", "image-prune", "system-prune", "df", "check"])
def test_each_verb_killed_at_every_change(scratch: Path, shelf: Shelf, driver: str, verb: str) -> None:
    """Two images that share layers, and a third with a container: the third is never touched, and no repair is needed.

    The changes are the kernel's and the driver's. In CI every third is tried, with plain copies, of which there are many more,
    every fourth.
    """
    made = scratch / "made"
    store = Store(made, driver, shelf)
    for name in ("one", "two", "low"):
        store.pull(name)
    store.create("low", "holder")
    kept = store.tree(store.images.get("low").top_chain_id)
    store.close()
    stride = 4 if driver != "overlay-storage" else 1 if STRESS else 3
    limit, status = 1 - stride, -signal.SIGKILL
    while status == -signal.SIGKILL:
        limit += stride
        folder = scratch / "now"
        subprocess.run(["cp", "-a", str(made), str(folder)], check=True)
        done = run(folder, driver, limit, verb)
        status = done.returncode
        assert status in (0, -signal.SIGKILL), done.stderr
        store = Store(folder, driver, shelf)
        try:
            assert set(store.kinds()) <= EXPECTED, f"killed at {limit}"
            assert verb == "system-prune" or store.containers.get("holder").name == "holder"
            assert store.system.df().totals
            assert all(store.tree(image.top_chain_id) for image in store.images.list())
            store.pull("one")
            store.pull("low")
            store.images.prune()
            assert set(store.kinds()) <= {"partial-stale"}, f"killed at {limit}"  # a pull goes on from there
            assert store.tree(store.images.get("low").top_chain_id) == kept
            assert store.rows("SELECT * FROM leases") == []
        finally:
            store.close()
        shutil.rmtree(folder)
    assert limit > {"df": 0, "check": 0, "tag": 2, "untag": 2}.get(verb, 8)


def _usable(store: Store, when: str) -> None:
    """What is here is whole; and without any repair the next commands work and leave a sound store."""
    for image in store.images.list():
        assert store.tree(image.top_chain_id), when
    for container in store.containers.list(all=True):
        container.remove()
    one, two = store.pull("one"), store.pull("two")
    assert store.tree(one.top_chain_id) and store.tree(two.top_chain_id), when
    store.images.prune(all=True)
    store.images.collect()
    left = [f for f in store.system.check(repair=True, max_age=0.0).findings if f.kind not in EXPECTED]
    assert left == [], when
    assert store.kinds() == [], when
    assert store.rows("SELECT * FROM layers") == [] and store.rows("SELECT * FROM blobs") == [], when
