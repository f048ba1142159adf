"""A process that is killed in the middle of a call: what is there afterwards is the state before, or the state after."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Callable, Mapping

import pytest

from ....cancel import Cancel
from ....slots.storage import CommitRequest, KeyRequest, LeftoversRequest, PrepareRequest, StorageDriver
from ...trees import Entry, read_tree
from ..children import Child, Ended, in_child
from ..outcomes import not_offered
from .bench import PATIENCE, Store, chain

BASE, NAME = chain(0xBA5E), chain(0xA)
FILES = {"folder/file": "held", "other": "held", **{f"many/{number}": str(number) for number in range(20)}}
MOST_POINTS = 1_000_000 if os.environ.get("CONMAN_STRESS") else 24
"""Points at which one step is killed; where it has more, they are spread."""
TIMED = 4

_Step = Callable[[StorageDriver], object]


def _prepare(driver: StorageDriver) -> object:
    return driver.prepare(PrepareRequest("key", BASE, Cancel(PATIENCE)))


def _view(driver: StorageDriver) -> object:
    return driver.view(PrepareRequest("key", BASE, Cancel(PATIENCE)))


def _commit(driver: StorageDriver) -> None:
    driver.commit(CommitRequest("key", NAME, Cancel(PATIENCE)))


def _remove_active(driver: StorageDriver) -> None:
    driver.remove(KeyRequest("key", Cancel(PATIENCE)))


def _remove_committed(driver: StorageDriver) -> None:
    driver.remove(KeyRequest(NAME, Cancel(PATIENCE)))


_STEPS: Mapping[str, tuple[_Step, tuple[_Step, ...]]] = {
    "prepare": (_prepare, ()), "view": (_view, ()), "commit": (_commit, (_prepare,)),
    "remove-active": (_remove_active, (_prepare,)), "remove-committed": (_remove_committed, (_prepare, _commit)),
}
"""Name -> the step that is killed, and what comes before it."""


class Crashes:
    """``kill -9`` at any line."""

    @pytest.mark.parametrize("step", _STEPS)
    def test_killed_in_the_middle_it_is_whole_or_absent(self, store: Store, step: str) -> None:
        """"Every change is whole or absent after ``kill -9`` at any line: a half-made snapshot is one that ``walk`` does not
        report and that ``remove`` clears." The step is killed before each of its calls that change something (24 of them where
        there are more), and some times by the clock; the next command, a new driver, finds a sound state each time, and can do
        the step itself."""
        action, before = _STEPS[step]
        store.make(BASE, files=FILES)
        held = store.tree(BASE)
        started = time.monotonic()
        whole = _try(store, action, before, held, partial(_killed, action, 0))
        took = time.monotonic() - started
        points = whole.points
        killed = 0
        spread = {1 + round(index * (points - 1) / MOST_POINTS) for index in range(MOST_POINTS + 1)}
        for number in sorted(spread) if points else ():
            ended = _try(store, action, before, held, partial(_killed, action, number))
            killed += ended.killed
        for number in range(TIMED):
            _try(store, action, before, held, partial(_timed, action, took * number / TIMED))
        assert killed or not points, "not one of the points was reached again: the kit cannot kill this driver"

    def test_what_a_crash_left_is_told_and_cleared(self, store: Store) -> None:
        """``leftovers``: "what is half made, half removed or unreadable", without changing anything; ``clear`` removes it, and
        ``keep`` saves what somebody may be making right now. ``system check`` and ``system prune`` rely on it."""
        if store.leftovers() is None:
            not_offered("leftovers and clear")
        store.make(BASE, files=FILES)
        assert store.leftovers() == ()
        found: set[str] = set()
        for step, (action, before) in _STEPS.items():
            points = _prepared(store, before, partial(_killed, action, 0)).points
            for number in range(1, points + 1, max(1, points // 6)):
                _prepared(store, before, partial(_killed, action, number))
                told = store.leftovers()
                assert told == store.leftovers(), "telling changed something"
                assert told is not None and list(told) == sorted(told)
                known = store.names()
                if step == "prepare" and "key" not in known:
                    kept = store.leftovers(frozenset(("key",)))
                    assert kept is not None and set(kept) <= set(told)
                store.driver.clear(LeftoversRequest(frozenset(), Cancel(PATIENCE)))  # type: ignore[attr-defined]
                assert store.leftovers() == () and store.names() == known
                found.update(told)
        assert found, "none of the crashes left anything that the driver tells of"
        assert BASE in store.names()


def _prepared(store: Store, before: tuple[_Step, ...], run: Callable[[StorageDriver], Ended]) -> Ended:
    for clearing in (_remove_active, _remove_committed):
        clearing(store.driver)
    for earlier in before:
        earlier(store.driver)
    return run(store.again())


def _killed(action: _Step, point: int, driver: StorageDriver) -> Ended:
    return in_child(partial(action, driver), die_at=point)


def _timed(action: _Step, seconds: float, driver: StorageDriver) -> Ended:
    child = Child(partial(action, driver))
    child.kill_after(seconds)
    return child.wait()


def _try(store: Store, action: _Step, before: tuple[_Step, ...], held: Mapping[str, Entry],
         run: Callable[[StorageDriver], Ended]) -> Ended:
    """One crash: set up, kill, look with the eyes of the next command, do the step, clear up."""
    for earlier in before:
        earlier(store.driver)
    driver = store.provider.open(store.context)
    ended = run(driver)
    driver.close()
    assert not ended.said, f"in the child: {ended.said}"
    next_one = store.provider.open(store.context)
    known = store.names(next_one)
    assert set(known) <= {BASE, "key", NAME} and known.get(BASE) == "committed", f"walk tells {known}"
    assert not {"key", NAME} <= set(known), "committed, and active still"
    if "key" in known:
        assert known["key"] == ("view" if action is _view else "active")
        with store.shown("key", next_one) as target:
            assert _but_the_root(read_tree(str(target))) == _but_the_root(held), "what walk tells of is half made"
    if NAME in known:
        assert next_one.stat(KeyRequest(NAME, Cancel(PATIENCE))).parent == BASE
        assert _but_the_root(store.tree(NAME, next_one)) == _but_the_root(held)
    assert store.tree(BASE, next_one) == held, "the parent was changed"
    if action is _commit and "key" in known:
        _commit(next_one)
        assert store.names(next_one) == {BASE: "committed", NAME: "committed"}
    _remove_active(next_one)
    _remove_committed(next_one)
    assert store.names(next_one) == {BASE: "committed"}, "remove does not clear what a crash left"
    _prepare(next_one)
    _remove_active(next_one)
    next_one.close()
    return ended


def _but_the_root(tree: Mapping[str, Entry]) -> dict[str, Entry]:
    return {path: entry for path, entry in tree.items() if path != "."}
