"""Several at once, in threads and in processes; and calls that are told to stop."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Callable, Mapping

import pytest

from ....cancel import Cancel
from ....errors import AlreadyExists, Cancelled, ConmanError, DeadlineExceeded, InvalidState, NotFound
from ....slots.storage import CommitRequest, KeyRequest, PrepareRequest, StorageDriver
from ..children import Child
from .bench import PATIENCE, Store, chain

A, B = chain(0xA), chain(0xB)
MANY = 8
ROUNDS = 12
MOST_SECONDS = 2.0
"""How long a call may go on after its token fired."""


class Together:
    """"Calls for different keys may run at once, in threads and in processes"."""

    def test_threads_do_not_meet(self, store: Store) -> None:
        """Layers of one pull are unpacked by several threads with one driver: each gets its own snapshot, whole."""
        store.make(A, files={"f": "base"})
        with ThreadPoolExecutor(MANY) as pool:
            list(pool.map(lambda number: _life(store.driver, number), range(MANY)))
        assert store.names() == {A: "committed", **{chain(number): "committed" for number in range(MANY)}}

    def test_processes_do_not_meet(self, store: Store) -> None:
        """Two ``conman pull`` at once are two processes, each with a driver of its own on one state folder."""
        store.make(A, files={"f": "base"})
        children = [Child(partial(_life_of_one, store, number)) for number in range(MANY)]
        assert [child.wait().said for child in children] == [""] * MANY
        assert store.names() == {A: "committed", **{chain(number): "committed" for number in range(MANY)}}
        for number in range(MANY):
            with store.looked_at(chain(number)) as target:
                assert os.listdir(target) == ["f"]

    def test_one_of_many_wins_a_name(self, store: Store) -> None:
        """``commit``: AlreadyExists where "the name is taken": of several at once, in threads and processes, exactly one wins,
        and the name holds what the winner wrote, whole."""
        for number in range(MANY):
            store.prepare(f"k{number}")
            store.write(f"k{number}", {"who": str(number), f"own{number}": ""})
        won = store.scratch / "won"
        won.mkdir()

        def race(number: int) -> None:
            try:
                store.provider.open(store.context).commit(CommitRequest(f"k{number}", A, Cancel(PATIENCE)))
            except AlreadyExists:
                return
            (won / str(number)).touch()

        children = [Child(partial(race, number)) for number in range(MANY // 2)]
        with ThreadPoolExecutor(MANY) as pool:
            list(pool.map(race, range(MANY // 2, MANY)))
        assert [child.wait().said for child in children] == [""] * len(children)
        winners = os.listdir(won)
        assert len(winners) == 1
        with store.looked_at(A) as target:
            assert (target / "who").read_text() == winners[0]
            assert sorted(os.listdir(target)) == sorted(["who", f"own{winners[0]}"])
        assert store.names() == {A: "committed", **{f"k{n}": "active" for n in range(MANY) if str(n) != winners[0]}}

    def test_a_parent_stays_or_a_child_is_refused(self, store: Store) -> None:
        """A parent that is removed while a child is prepared on it: one of the two fails, by InvalidState or NotFound; never is
        there a child that nothing can show. Collection runs beside ``run``."""
        for number in range(ROUNDS):
            store.make(A, files={"f": "held"})
            start = threading.Barrier(2)
            with ThreadPoolExecutor(2) as pool:
                removed = pool.submit(_removed, store.driver, start)
                prepared = pool.submit(_prepared, store.again(), start, f"k{number}")
            if prepared.result():
                assert not removed.result() and A in store.names()
                with store.shown(f"k{number}") as target:
                    assert (target / "f").read_text() == "held"
            else:
                assert removed.result(), "neither the removal nor the child came about"
            store.remove(f"k{number}")
            store.remove(A)

    def test_listing_beside_changes(self, store: Store) -> None:
        """``walk`` beside those who make and remove: it never fails, and tells no half of a snapshot."""
        store.make(A)
        stop = threading.Event()

        def change(number: int) -> None:
            while not stop.is_set():
                store.driver.prepare(PrepareRequest(f"k{number}", A, Cancel(PATIENCE)))
                store.driver.remove(KeyRequest(f"k{number}", Cancel(PATIENCE)))

        with ThreadPoolExecutor(3) as pool:
            running = [pool.submit(change, number) for number in range(3)]
            try:
                for _ in range(50):
                    assert set(store.names()) <= {A, "k0", "k1", "k2"} and A in store.names()
            finally:
                stop.set()
            for each in running:
                each.result()


class Stopping:
    """"Every call that may block takes a deadline or a cancel token"."""

    @pytest.mark.parametrize("what", ["prepare", "view", "commit", "remove", "mounts", "stat", "usage", "walk", "layer"])
    @pytest.mark.parametrize("fired", ["cancelled", "deadline"])
    def test_a_token_that_has_fired_ends_the_call(self, store: Store, what: str, fired: str) -> None:
        """A call whose token has fired either does its work at once or raises Cancelled (after its deadline: DeadlineExceeded),
        and within two seconds; then "nothing is left half done". Ctrl-C must end a command."""
        cancel = Cancel(0.0 if fired == "deadline" else None)
        stopped: type[ConmanError] = DeadlineExceeded
        if fired == "cancelled":
            cancel.cancel()
            stopped = Cancelled
        store.make(A, files={f"d{number}/f": "1" for number in range(50)})
        store.prepare("k", A)
        before = store.names()
        request = KeyRequest("k", cancel)
        calls: Mapping[str, Callable[[], object]] = {
            "prepare": lambda: store.driver.prepare(PrepareRequest("new", A, cancel)),
            "view": lambda: store.driver.view(PrepareRequest("new", A, cancel)),
            "commit": lambda: store.driver.commit(CommitRequest("k", B, cancel)),
            "remove": lambda: store.driver.remove(request), "mounts": lambda: store.driver.mounts(request),
            "stat": lambda: store.driver.stat(request), "usage": lambda: store.driver.usage(request),
            "walk": lambda: list(store.driver.walk(cancel)), "layer": lambda: store.driver.layer(request),
        }
        started = time.monotonic()
        try:
            calls[what]()
        except stopped:
            assert store.names() == before, "it was stopped, and left something"
        else:
            after = {"prepare": {**before, "new": "active"}, "view": {**before, "new": "view"},
                     "commit": {A: "committed", B: "committed"}, "remove": {A: "committed"}}
            assert store.names() == after.get(what, before)
        assert time.monotonic() - started < MOST_SECONDS, "it went on although its token had fired"
        store.remove("new")
        store.prepare("new", A)

    def test_a_token_that_fires_in_the_middle(self, store: Store) -> None:
        """A token that fires while a snapshot is made: Cancelled, or it is whole; within two seconds. Then the same key works."""
        from ...images import directory, file, layer

        entries = [directory(f"d{number}") for number in range(40)]
        entries += [file(f"d{number % 40}/f{number // 40}", b"x" * 2000) for number in range(1000)]
        store.layer(A, None, layer(entries, compress=False))
        for delay in (0.0, 0.002, 0.01, 0.03):
            cancel = Cancel()
            timer = threading.Timer(delay, cancel.cancel)
            timer.start()
            started = time.monotonic()
            try:
                store.prepare("k", A, cancel)
            except Cancelled:
                assert store.names() == {A: "committed"}
            else:
                assert store.names() == {A: "committed", "k": "active"}
            assert time.monotonic() - started < MOST_SECONDS + delay
            timer.join()
            store.remove("k")
        store.prepare("k", A)
        with store.shown("k") as target:
            assert len(os.listdir(target)) == 40 and len(os.listdir(target / "d39")) == 25


def _life_of_one(store: Store, number: int) -> None:
    _life(store.provider.open(store.context), number)


def _life(driver: StorageDriver, number: int) -> None:
    """What a pull does, and a container, over and over."""
    for round_ in range(4):
        driver.prepare(PrepareRequest(f"k{number}", A, Cancel(PATIENCE)))
        if round_ < 3:
            driver.mounts(KeyRequest(f"k{number}", Cancel(PATIENCE)))
            driver.remove(KeyRequest(f"k{number}", Cancel(PATIENCE)))
    driver.commit(CommitRequest(f"k{number}", chain(number), Cancel(PATIENCE)))
    for _ in range(2):
        driver.view(PrepareRequest(f"v{number}", chain(number), Cancel(PATIENCE)))
        driver.remove(KeyRequest(f"v{number}", Cancel(PATIENCE)))


def _removed(driver: StorageDriver, start: threading.Barrier) -> bool:
    start.wait(PATIENCE)
    try:
        driver.remove(KeyRequest(A, Cancel(PATIENCE)))
    except InvalidState:
        return False
    return True


def _prepared(driver: StorageDriver, start: threading.Barrier, key: str) -> bool:
    start.wait(PATIENCE)
    try:
        driver.prepare(PrepareRequest(key, A, Cancel(PATIENCE)))
        driver.mounts(KeyRequest(key, Cancel(PATIENCE)))
    except NotFound:
        return False
    return True
