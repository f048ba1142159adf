"""What the stock drivers promise beyond the slot's contract, which tests/contract/kits holds them to: records and locks of
:class:`conman_kernel.support.snapshots.FolderDriver`, on real mounts."""

from __future__ import annotations

import fcntl
import os

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import DeadlineExceeded, NotFound
from conman_kernel.slots.storage import KeyRequest, PrepareRequest


def prepare(key, parent=None, cancel=None):
    return PrepareRequest(key, parent, cancel or Cancel(60))


def key(name):
    return KeyRequest(name, Cancel(60))


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


def test_a_lock_that_is_held_is_waited_for_until_the_deadline(store, scratch_folder):
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
