"""Signals that are watched, and given back."""

from __future__ import annotations

import os
import select
import signal

from conman_kernel.support.joined.signals import PROXIED, SignalWatch


def came(watch: SignalWatch) -> bytes:
    assert select.select([watch.fileno()], [], [], 10)[0]
    return watch.take()


def test_they_arrive_as_bytes_and_the_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in PROXIED}
    with SignalWatch(PROXIED, take_over=True) as watch:
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMAX):
            os.kill(os.getpid(), number)
            assert came(watch) == bytes((number,))
        assert watch.take() == b""
    assert {number: signal.getsignal(number) for number in PROXIED} == before


def test_a_signal_that_comes_between_two_looks_ends_the_next_wait() -> None:
    """Its handler in Python runs only after a wait; what ends the wait is written before that."""
    with SignalWatch((signal.SIGUSR1,), take_over=False) as watch:
        for _ in range(200):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert came(watch) == bytes((signal.SIGUSR1,))


def test_the_programs_own_wakeup_descriptor_gets_what_is_not_watched_and_comes_back() -> None:
    reader, writer = os.pipe2(os.O_NONBLOCK)
    own = signal.signal(signal.SIGUSR2, lambda number, frame: None)
    before = signal.set_wakeup_fd(writer)
    try:
        with SignalWatch((signal.SIGUSR1,), take_over=False) as watch:
            os.kill(os.getpid(), signal.SIGUSR2)
            os.kill(os.getpid(), signal.SIGUSR1)
            assert came(watch) == bytes((signal.SIGUSR1,))
        assert os.read(reader, 10) == bytes((signal.SIGUSR2,))
    finally:
        after = signal.set_wakeup_fd(before)
        signal.signal(signal.SIGUSR2, own)
        os.close(reader)
        os.close(writer)
    assert after == writer


def test_what_a_program_uses_for_itself_is_left_to_it() -> None:
    """A profiler's timer; but its SIGTERM is a person's wish, and that is passed on."""
    heard: list[int] = []
    own = {number: signal.signal(number, lambda n, frame: heard.append(n)) for number in (signal.SIGPROF, signal.SIGTERM)}
    try:
        with SignalWatch(PROXIED, take_over=True) as watch:
            os.kill(os.getpid(), signal.SIGPROF)
            os.kill(os.getpid(), signal.SIGTERM)
            assert came(watch) == bytes((signal.SIGTERM,))
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)
    assert heard == [signal.SIGPROF]
