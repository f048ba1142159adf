"""Deadlines and cancellation."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import threading
import time
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded

LONG = 30.0
"""Seconds that no test waits for: whoever does has missed its wake-up."""


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def open_fds() -> set[str]:
    gc.collect()
    return set(os.listdir("/proc/self/fd"))


def test_a_fresh_token_lets_go_on() -> None:
    token = Cancel()
    token.check()
    assert (token.cancelled, token.remaining()) == (False, None)


def test_cancel_says_why_and_may_be_called_twice() -> None:
    token = Cancel()
    token.fileno()
    token.cancel("the user is gone")
    token.cancel("the user is gone")
    assert token.cancelled
    with pytest.raises(Cancelled, match="the user is gone") as caught:
        token.check()
    assert caught.value.exit_code == 130


def test_a_deadline_that_passed() -> None:
    token = Cancel(0)
    assert token.remaining() == 0.0 and not token.cancelled
    with pytest.raises(DeadlineExceeded):
        token.check()
    with pytest.raises(DeadlineExceeded):
        token.wait_readable()


def test_cancelled_comes_before_a_passed_deadline() -> None:
    token = Cancel(0)
    token.cancel()
    with pytest.raises(Cancelled):
        token.check()


def test_waiting_ends_at_the_deadline() -> None:
    begun = time.monotonic()
    token = Cancel(0.05)
    with pytest.raises(DeadlineExceeded):
        token.wait_readable()
    assert 0.05 <= time.monotonic() - begun < LONG


def test_the_waits_own_timeout_is_no_error(pipe: tuple[int, int]) -> None:
    assert Cancel().wait_readable(pipe[0], timeout=0.01) == []
    assert Cancel(LONG).wait_readable(pipe[0], timeout=0) == []


def test_what_is_readable_or_at_its_end(pipe: tuple[int, int]) -> None:
    other = os.pipe()
    os.write(pipe[1], b"x")
    token = Cancel()
    assert token.wait_readable(pipe[0], other[0]) == [pipe[0]]
    os.close(other[1])
    assert sorted(token.wait_readable(pipe[0], other[0])) == sorted([pipe[0], other[0]])
    os.close(other[0])


@pytest.mark.parametrize("timeout", [None, LONG])
def test_cancel_from_a_thread_wakes_at_once(pipe: tuple[int, int], timeout: float | None) -> None:
    token = Cancel(timeout)
    waiting = threading.Event()
    ended: list[str] = []

    def wait() -> None:
        waiting.set()
        try:
            token.wait_readable(pipe[0])
        except Cancelled as error:
            ended.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait(LONG)
    token.cancel("now")
    thread.join(LONG / 2)
    assert not thread.is_alive() and ended == ["now"]


def test_one_token_wakes_all_who_wait() -> None:
    token = Cancel()
    ready = threading.Barrier(5)
    ended: list[int] = []

    def wait() -> None:
        ready.wait(LONG)
        with pytest.raises(Cancelled):
            token.wait_readable()
        ended.append(1)

    threads = [threading.Thread(target=wait) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait(LONG)
    token.cancel()
    for thread in threads:
        thread.join(LONG / 2)
    assert len(ended) == 4


def test_cancel_before_the_descriptor_exists_counts() -> None:
    token = Cancel()
    token.cancel()
    assert select.select([token], [], [], 0)[0] == [token]
    with pytest.raises(Cancelled):
        token.wait_readable()


def test_threads_that_ask_for_the_descriptor_at_once_get_one() -> None:
    before = open_fds()
    for _ in range(50):
        token = Cancel()
        gate = threading.Barrier(4)
        seen: list[int] = []

        def ask(token: Cancel = token, gate: threading.Barrier = gate, seen: list[int] = seen) -> None:
            gate.wait(LONG)
            seen.append(token.fileno())

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONG)
        assert len(seen) == 4 and len(set(seen)) == 1
        token.close()
    assert open_fds() == before


def test_cancel_and_fileno_at_once_never_miss_each_other() -> None:
    for _ in range(200):
        token = Cancel()
        gate = threading.Barrier(2)

        def fire(token: Cancel = token, gate: threading.Barrier = gate) -> None:
            gate.wait(LONG)
            token.cancel()

        thread = threading.Thread(target=fire)
        thread.start()
        gate.wait(LONG)
        fd = token.fileno()
        thread.join(LONG)
        assert select.select([fd], [], [], 0)[0] == [fd]
        token.close()


def test_a_signal_handler_may_cancel() -> None:
    token = Cancel(LONG)
    before = signal.signal(signal.SIGUSR1, lambda number, frame: token.cancel("signal"))
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))
    timer.start()
    try:
        with pytest.raises(Cancelled, match="signal"):
            token.wait_readable()
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_what_a_signal_writes_wakes_a_wait_that_had_no_handler_run() -> None:
    token = Cancel(20)
    os.write(token.wakeup_fileno(), b"\x02")  # what the interpreter does, before any handler
    poll = select.poll()
    poll.register(token.fileno(), select.POLLIN)
    assert poll.poll(0)
    token.cancel()
    with pytest.raises(Cancelled):
        token.wait_readable()
    token.close()


def test_a_signal_that_cancels_nothing_is_no_reason_to_go_round() -> None:
    token = Cancel(20)
    os.write(token.wakeup_fileno(), b"\x1c")
    assert token.wait_readable(timeout=0.2) == []
    poll = select.poll()
    poll.register(token.fileno(), select.POLLIN)
    assert not poll.poll(0)
    token.close()


def test_a_token_full_of_signals_is_cancelled_all_the_same() -> None:
    token = Cancel(20)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(token.wakeup_fileno(), bytes(4096))
    token.cancel()
    with pytest.raises(Cancelled):
        token.check()
    token.close()


def test_no_descriptor_is_kept() -> None:
    before = open_fds()
    token = Cancel(LONG)
    fd = token.fileno()
    assert fd == token.fileno() and not os.get_inheritable(fd)
    token.close()
    token.close()
    assert open_fds() == before
    token.cancel()  # goes on working
    assert token.fileno() >= 0
    del token
    assert open_fds() == before
    for _ in range(100):
        Cancel().fileno()
    assert open_fds() == before


def test_a_token_that_was_never_made_whole_goes_quietly() -> None:
    with pytest.raises(TypeError):
        Cancel("soon")  # type: ignore[arg-type]
    gc.collect()


def test_deadlines_beyond_what_poll_can_count(pipe: tuple[int, int]) -> None:
    os.write(pipe[1], b"x")
    for timeout in (3e6, 1e12):
        assert Cancel(timeout).wait_readable(pipe[0]) == [pipe[0]]
        assert Cancel().wait_readable(pipe[0], timeout=timeout) == [pipe[0]]
