"""A driver killed at any line leaves the state before, the state after, or something the next call clears.

What is on the disk changes at system calls alone, so it is killed before each of those that change something.
"""

from __future__ import annotations

import fcntl
import os

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.slots.storage import CommitRequest, KeyRequest, PrepareRequest

from .conftest import DRIVERS, open_driver, state_for

BASE, NAME = "sha256:" + "b" * 64, "sha256:" + "a" * 64


def prepare(driver) -> None:
    driver.prepare(PrepareRequest("key", BASE, Cancel(60)))


def commit(driver) -> None:
    driver.commit(CommitRequest("key", NAME, Cancel(60)))


def remove_active(driver) -> None:
    driver.remove(KeyRequest("key", Cancel(60)))


def remove_committed(driver) -> None:
    driver.remove(KeyRequest(NAME, Cancel(60)))


CHANGES = ("open", "mkdir", "makedirs", "rename", "unlink", "rmdir", "write", "pwrite", "chmod", "fchmod", "chown",
           "fchown", "utime", "setxattr", "copy_file_range", "ftruncate")


def killed_at(count: int, step, driver) -> bool:
    """Run ``step`` in a process that dies without a word before the ``count``-th change. False: it ended."""
    pid = os.fork()
    if not pid:
        left = count

        def counted(call):
            def change(*arguments, **more):
                nonlocal left
                left -= 1
                if not left:
                    os._exit(9)
                return call(*arguments, **more)

            return change

        for name in CHANGES:
            setattr(os, name, counted(getattr(os, name)))
        fcntl.ioctl = counted(fcntl.ioctl)
        try:
            step(driver)
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, 9)
    return status == 9


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fork beside threads: the child runs nothing of theirs
@pytest.mark.parametrize("name", DRIVERS)
@pytest.mark.parametrize("step, before", [
    (prepare, []), (commit, [prepare]), (remove_active, [prepare]), (remove_committed, [prepare, commit]),
], ids=["prepare", "commit", "remove-active", "remove-committed"])
def test_killed_before_any_change(scratch_folder, name, step, before):
    with state_for(name, scratch_folder / "state") as state:
        try_every_change(open_driver(name, state, sync=False), state, step, before)


def try_every_change(driver, state, step, before):
    base = driver.prepare(PrepareRequest("base", None, Cancel(60))).layer_path
    os.mkdir(f"{base}/folder")
    with open(f"{base}/folder/file", "w", encoding="ascii") as file:
        file.write("held")
    driver.commit(CommitRequest("base", BASE, Cancel(60)))
    count, killed = 0, True
    while killed:
        count += 1
        for earlier in before:
            earlier(driver)
        killed = killed_at(count, step, driver)
        there = {info.name: info for info in driver.walk(Cancel(60))}
        assert BASE in there and len(there) <= 2
        if "key" in there:
            assert there["key"].kind == "active" and driver.mounts(KeyRequest("key", Cancel(60)))
        if NAME in there:
            assert there[NAME].kind == "committed" and there[NAME].parent == BASE
            assert driver.usage(KeyRequest(NAME, Cancel(60))).inodes >= 1
        remove_active(driver)
        remove_committed(driver)
        assert [info.name for info in driver.walk(Cancel(60))] == [BASE]
        prepare(driver)
        remove_active(driver)
    assert count >= 4
    held = driver.usage(KeyRequest(BASE, Cancel(60)))
    assert held.inodes == 3
    driver.remove(KeyRequest(BASE, Cancel(60)))
    assert os.listdir(state / "s") == []
    assert not (state / "trash").exists() or os.listdir(state / "trash") == []
