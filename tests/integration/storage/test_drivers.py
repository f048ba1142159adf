"""The drivers keep the slot's promises, on real mounts."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, DeadlineExceeded, InvalidState, NotFound
from conman_kernel.slots.storage import CommitRequest, KeyRequest, PrepareRequest

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def prepare(key, parent=None, cancel=None):
    return PrepareRequest(key, parent, cancel or Cancel(60))


def key(name):
    return KeyRequest(name, Cancel(60))


def commit(old, new):
    return CommitRequest(old, new, Cancel(60))


def write(store, snapshot, name, text):
    store.mounted(snapshot, lambda folder: Path(folder, name).write_text(text))


def test_prepare_write_commit_look_remove(store):
    driver = store.driver
    assert list(driver.walk(Cancel())) == []
    assert driver.prepare(prepare("k")).layer_path is not None
    state = store.mounted("k", os.stat)
    assert (state.st_mode & 0o7777, state.st_uid, state.st_gid) == (0o755, 0, 0)
    write(store, "k", "f", "one")
    driver.commit(commit("k", A))
    with pytest.raises(NotFound):
        driver.mounts(key("k"))
    driver.prepare(prepare("c1", A))
    driver.prepare(prepare("c2", A))
    write(store, "c1", "f", "changed")
    assert store.mounted("c2", lambda folder: Path(folder, "f").read_text()) == "one"
    assert store.mounted("c1", lambda folder: Path(folder, "f").read_text()) == "changed"
    assert {(i.name, i.parent, i.kind) for i in driver.walk(Cancel())} == {
        (A, None, "committed"), ("c1", A, "active"), ("c2", A, "active")}
    assert driver.stat(key("c1")).parent == A and driver.stat(key(A)).created > 1_600_000_000
    with pytest.raises(InvalidState, match="parent"):
        driver.remove(key(A))
    for name in ("c1", "c2", A, A, "never"):
        driver.remove(key(name))
    assert list(driver.walk(Cancel())) == []
    driver.close()
    driver.close()


def test_a_view_shows_and_takes_nothing(store):
    driver = store.driver
    driver.prepare(prepare("k"))
    write(store, "k", "f", "one")
    driver.commit(commit("k", A))
    driver.prepare(prepare("k2", A))
    write(store, "k2", "g", "two")
    driver.commit(commit("k2", B))
    for name, parent, held in (("v1", A, ["f"]), ("v2", B, ["f", "g"]), ("v0", None, [])):
        assert driver.view(prepare(name, parent)).layer_path is None

        def look(folder):
            with pytest.raises(OSError, match="Read-only"):
                Path(folder, "x").write_text("")
            return sorted(os.listdir(folder))

        assert store.mounted(name, look) == held
        assert driver.stat(key(name)).kind == "view"
        with pytest.raises(InvalidState):
            driver.commit(commit(name, C))
        driver.remove(key(name))
    with pytest.raises(NotFound):
        driver.view(prepare("v", C))


def test_names_that_are_taken(store):
    driver = store.driver
    driver.prepare(prepare("k"))
    with pytest.raises(AlreadyExists):
        driver.prepare(prepare("k"))
    driver.commit(commit("k", A))
    driver.prepare(prepare("k"))
    with pytest.raises(AlreadyExists):
        driver.commit(commit("k", A))
    assert driver.stat(key("k")).kind == "active" and driver.stat(key("k")).name == "k"
    with pytest.raises(AlreadyExists):
        driver.prepare(prepare(A))
    driver.remove(key("k"))


def test_what_is_not_there(store):
    driver = store.driver
    for call, request in ((driver.mounts, key("x")), (driver.stat, key("x")), (driver.usage, key("x")),
                          (driver.commit, commit("x", A))):
        with pytest.raises(NotFound):
            call(request)
    if driver.independent_layers:
        driver.prepare(prepare("x", A))
        with pytest.raises(NotFound):
            driver.mounts(key("x"))
        with pytest.raises(NotFound):
            driver.commit(commit("x", B))
    else:
        with pytest.raises(NotFound):
            driver.prepare(prepare("x", A))
    driver.remove(key("x"))
    assert list(driver.walk(Cancel())) == []


def test_usage_grows_with_what_is_written(store):
    driver = store.driver
    driver.prepare(prepare("k"))
    before = driver.usage(key("k"))
    write(store, "k", "f", "x" * 1_000_000)
    after = driver.usage(key("k"))
    assert after.inodes == before.inodes + 1 and 1_000_000 <= after.size - before.size < 1_100_000
    driver.remove(key("k"))


def test_a_half_made_snapshot_is_not_reported_and_can_be_made_or_removed(store, scratch_folder):
    driver = store.driver
    folder = driver.prepare(prepare("k")).layer_path
    assert folder is not None
    os.unlink(os.path.join(os.path.dirname(folder), "meta"))
    assert list(driver.walk(Cancel())) == []
    with pytest.raises(NotFound):
        driver.stat(key("k"))
    assert driver.prepare(prepare("k")).layer_path == folder
    os.unlink(os.path.join(os.path.dirname(folder), "meta"))
    driver.remove(key("k"))
    assert not os.path.exists(folder)


def test_one_of_many_wins_a_name(store):
    driver, won, lost = store.driver, [], []

    def one(index):
        driver.prepare(prepare(f"k{index}"))
        try:
            driver.commit(commit(f"k{index}", A))
            won.append(index)
        except AlreadyExists:
            driver.remove(key(f"k{index}"))
            lost.append(index)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1 and len(lost) == 5
    assert [i.name for i in driver.walk(Cancel())] == [A]


def test_a_lock_that_is_held_is_waited_for_until_the_deadline(store, scratch_folder):
    import fcntl

    driver = store.driver
    driver.prepare(prepare("k"))
    with open(scratch_folder / "state/lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DeadlineExceeded):
            driver.prepare(prepare("late", cancel=Cancel(0.05)))
    driver.remove(key("k"))


def test_nothing_is_readable_for_others(store, scratch_folder):
    store.driver.prepare(prepare("k"))
    assert (scratch_folder / "state").stat().st_mode & 0o777 == 0o700
