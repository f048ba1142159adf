"""The containers' locks: between threads, between processes, and over when their holder is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded, InvalidState, Unavailable
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks

LONG = 30.0
HOLD = """
import sys
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks
lock = Locks(Layout(sys.argv[1], "/nonexistent")).acquire(int(sys.argv[2]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(str(tmp_path / "root"), str(tmp_path / "run"))


@pytest.fixture
def locks(layout: Layout) -> Locks:
    return Locks(layout)


@pytest.fixture
def holder(layout: Layout, locks: Locks) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds lock 5."""
    child = subprocess.Popen([sys.executable, "-c", HOLD, layout.root, "5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait(LONG)
    child.stdin.close()
    child.stdout.close()


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_one_holder_at_a_time_and_numbers_are_apart(locks: Locks) -> None:
    before = fds()
    first = locks.try_acquire(1)
    assert first is not None and locks.try_acquire(1) is None
    other = locks.try_acquire(2)
    assert other is not None
    first.release()
    first.release()
    with locks.acquire(1):
        assert locks.try_acquire(1) is None
    again = locks.try_acquire(1)
    assert again is not None
    again.release()
    other.release()
    assert fds() == before


def test_closing_another_lock_of_the_file_frees_nothing(locks: Locks) -> None:
    """The old POSIX record locks fall with the first descriptor of the file that the process closes."""
    with locks.acquire(1):
        locks.acquire(2).release()
        assert locks.try_acquire(1) is None


def test_a_second_store_object_of_the_process_is_kept_out(layout: Layout, locks: Locks) -> None:
    with locks.acquire(1):
        assert Locks(layout).try_acquire(1) is None


def test_the_file_is_the_owners_alone_and_never_inherited(layout: Layout, locks: Locks) -> None:
    with locks.acquire(1) as lock:
        assert os.stat(layout.locks).st_mode & 0o777 == 0o600 and os.stat(layout.root).st_mode & 0o777 == 0o700
        assert not os.get_inheritable(lock._fd)


def test_threads_take_turns(locks: Locks) -> None:
    inside: list[int] = []
    worst: list[int] = []

    def work() -> None:
        for _ in range(20):
            with locks.acquire(7, Cancel(LONG)):
                inside.append(1)
                worst.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(worst) == 80 and max(worst) == 1


def test_another_process_is_waited_for(locks: Locks, holder: subprocess.Popen[str]) -> None:
    assert locks.try_acquire(5) is None
    with pytest.raises(InvalidState, match="removing x: another command is at work on it"):
        locks.require(5, "removing x")
    free = locks.try_acquire(6)
    assert free is not None
    assert holder.stdin is not None
    timer = threading.Timer(0.05, holder.stdin.close)
    timer.start()
    with locks.acquire(5, Cancel(LONG)):
        timer.join()


def test_a_lock_ends_with_its_holder(locks: Locks, holder: subprocess.Popen[str]) -> None:
    assert locks.try_acquire(5) is None
    holder.kill()
    holder.wait(LONG)
    with locks.require(5, "x"):
        pass


def test_deadline_and_cancel_end_the_waiting(locks: Locks, holder: subprocess.Popen[str]) -> None:
    before = fds()
    begun = time.monotonic()
    token = Cancel(0.05)
    with pytest.raises(DeadlineExceeded):
        locks.acquire(5, token)
    assert 0.05 <= time.monotonic() - begun < LONG / 2
    token.close()
    token = Cancel()
    timer = threading.Timer(0.02, token.cancel)
    timer.start()
    with pytest.raises(Cancelled):
        locks.acquire(5, token)
    timer.join()
    token.close()
    assert fds() == before


def test_a_lock_that_nobody_keeps_is_free(locks: Locks) -> None:
    locks.acquire(3)
    assert locks.try_acquire(3) is not None


def test_a_store_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "root").write_text("a file")
    with pytest.raises(Unavailable, match="cannot use .*: Not a directory"):
        Locks(Layout(str(tmp_path / "root"), "")).try_acquire(1)
