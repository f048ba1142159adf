"""Two at once: pulls of one image, a pull and an rmi, a pull and a prune, a check and all of them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConmanError, DigestMismatch, NotFound
from conman_kernel.images import leases
from conman_kernel.images.collection import release
from conman_kernel.images.leases import Items
from conman_kernel.slots.storage import KeyRequest, PrepareRequest

from .conftest import Shelf, Store

ROUNDS = 12


@pytest.fixture(params=["overlay-storage", "vfs-storage"])
def pair(request: pytest.FixtureRequest, scratch: Path, shelf: Shelf) -> Iterator[tuple[Store, Store]]:
    """One store as two commands see it."""
    left, right = (Store(scratch, request.param, shelf) for _ in range(2))
    yield left, right
    left.close()
    right.close()


def both(one: Callable[[], object], other: Callable[[], object]) -> list[BaseException]:
    """Do both at the same time; what they raised."""
    gate = threading.Barrier(2)

    def run(work: Callable[[], object]) -> None:
        gate.wait(10)
        work()

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(run, work) for work in (one, other)]
        failed = [future.exception(timeout=60) for future in futures]
    return [error for error in failed if error is not None]


def sound(store: Store) -> None:
    assert [(f.kind, f.subject, f.detail) for f in store.system.check(max_age=0.0).findings if f.kind != "partial-stale"] == []
    for image in store.images.list():
        assert store.tree(image.top_chain_id)


def test_two_pulls(pair):
    left, right = pair
    for _ in range(ROUNDS):
        assert both(lambda: left.pull("one"), lambda: right.pull("one")) == []
        assert left.images.get("one") == right.images.get("one")
        sound(left)
        left.images.remove("one")


def test_a_pull_and_an_rmi(pair):
    left, right = pair
    for _ in range(ROUNDS):
        left.pull("one")
        failed = both(lambda: left.pull("two"), lambda: right.images.remove("one"))
        assert failed == []
        assert store_names(left) == {"registry.test/two:latest"}
        sound(left)
        both(lambda: left.pull("two"), lambda: right.images.remove("two"))
        sound(left)
        left.images.prune(all=True)


def test_a_pull_and_a_prune(pair):
    left, right = pair
    for _ in range(ROUNDS):
        left.pull("one")
        failed = both(lambda: left.pull("half"), lambda: right.images.prune(all=True))
        assert [error for error in failed if not isinstance(error, (NotFound, DigestMismatch))] == []
        sound(left)
        left.images.prune(all=True)


def test_a_check_beside_pulls_and_removals_finds_nothing(pair):
    left, right = pair
    found: list[str] = []

    def churn() -> None:
        for _ in range(6):
            left.pull("one")
            left.pull("two")
            left.images.remove("one")
            left.images.prune(all=True)

    def look() -> None:
        for _ in range(6):
            found.extend(f"{f.kind} {f.subject} {f.detail}" for f in right.system.check().findings)
            found.extend(f"{one.finding.kind} {one.failed}" for one in right.system.check(repair=True).repaired)

    assert [error for error in both(churn, look) if isinstance(error, ConmanError)] == []
    assert found == []
    sound(left)


def store_names(store: Store) -> set[str]:
    return {name for image in store.images.list() for name in image.names}


def test_a_pull_that_begins_while_layers_go_keeps_them(pair):
    """Their rows are gone, their snapshots not yet: the pull unpacks on top of one, and the removal leaves it that one."""
    left, right = pair
    left.pull("one")
    driver = left._driver(left.driver_name)
    done: list[str] = []

    class Slow:
        def __getattr__(self, name):
            return getattr(driver, name)

        def remove(self, request):
            if not done and request.key.startswith("sha256:"):
                done.append(request.key)
                driver.prepare(PrepareRequest("unpack-new-1", left_layers[0], Cancel()))
                with right.images.parts.database.write() as db:
                    leases.take(db, "pull", Items(((left.driver_name, left_layers[0]),), ((left.driver_name, "unpack-new-1"),)),
                                "ab" * 8)
            driver.remove(request)

    left_layers = left.images.get("one").layers
    left.images._parts = left.images.parts._replace(storage=lambda name: Slow())
    left.images.remove("one")
    assert done and driver.stat(KeyRequest(left_layers[0], Cancel())).kind == "committed"
    release(right.images.parts, ["ab" * 8], Cancel())
    sound(right)
    with pytest.raises(NotFound):
        driver.stat(KeyRequest(left_layers[0], Cancel()))
