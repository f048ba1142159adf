"""What a client may do wrong, by mistake or on purpose: the shim neither spins nor stops, nor fills up."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import socket
from typing import Callable, Iterator

import pytest

from .conftest import Rig

MEGABYTE = 1 << 20
STDIN, WELCOME = 0x02, 0x81
FEEDS, WANTS_OUT, FOREGROUND, PASS_STDIN, PASS_STDOUT = 1, 2, 8, 16, 32
TOOK_STDIN, TOOK_STDOUT = 8, 16
IDLE = 0.1


def own(fd: int, mode: int) -> int:
    """A pipe's end, opened anew as a client does."""
    return os.open(f"/proc/self/fd/{fd}", mode | os.O_NONBLOCK | os.O_CLOEXEC)


@pytest.fixture
def full_size() -> Iterator[tuple[int, int]]:
    """A pipe of one megabyte."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, MEGABYTE)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def at_its_end(content: bytes) -> int:
    """What a client passes for input that is all there already."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, MEGABYTE)
    os.write(writer, content)
    passed = own(reader, os.O_RDONLY)
    os.close(writer)
    os.close(reader)
    return passed


def until(true: Callable[[], bool]) -> None:
    """Look until it is so."""
    for _ in range(2000):
        if true():
            return
        select.select([], [], [], 0.01)
    raise AssertionError("it never came")


def test_input_that_ends_where_the_process_is_exactly_full(rig: Rig) -> None:
    # splice(2) says EAGAIN, nothing is unread, and the source hangs up: three facts that together mean the end.
    passed = at_its_end(bytes(MEGABYTE))
    rig.configure(rig.runtime("/bin/sleep", "1000"), "stdin=1", "log_driver=none")
    pid = rig.created()
    _, flags = rig.welcomed(FEEDS | FOREGROUND | PASS_STDIN, passed)
    os.close(passed)
    assert flags & TOOK_STDIN
    rig.say("started")
    assert rig.cpu_while_idle() < IDLE
    os.kill(pid, signal.SIGKILL)
    rig.say("release")


@pytest.mark.parametrize("log", ["cri", "none"])
def test_output_that_ends_where_the_reader_is_exactly_full(rig: Rig, full_size: tuple[int, int], log: str) -> None:
    _, writer = full_size
    rig.configure(rig.runtime("/bin/sh", "-c", f"head -c {MEGABYTE} /dev/zero; exec >&-; exec sleep 1000"), f"log_driver={log}")
    pid = rig.created()
    passed = own(writer, os.O_WRONLY)
    _, flags = rig.welcomed(WANTS_OUT | FOREGROUND | PASS_STDOUT, passed)
    os.close(passed)
    assert flags & TOOK_STDOUT
    rig.say("started")
    until(lambda: not select.select([], [writer], [], 0)[1])
    assert rig.cpu_while_idle() < IDLE
    os.kill(pid, signal.SIGKILL)
    rig.say("release")


def test_descriptors_that_come_with_half_a_hello_are_closed(rig: Rig, full_size: tuple[int, int]) -> None:
    pid = rig.start(rig.runtime("/bin/sleep", "1000"))
    stranger = rig.stranger()
    before = len(os.listdir(f"/proc/{rig.pid}/fd"))
    for _ in range(20):
        socket.send_fds(stranger.socket, [b"\x01"], [full_size[0]] * 4)
    until(lambda: len(os.listdir(f"/proc/{rig.pid}/fd")) < before + 4)
    assert rig.attach(WANTS_OUT)
    assert len(os.listdir(f"/proc/{rig.pid}/fd")) < before + 4  # of eighty
    os.kill(pid, signal.SIGKILL)
    rig.say("release")


def test_without_a_free_descriptor_clients_wait_and_the_process_goes_on(rig: Rig) -> None:
    pid = rig.start(rig.runtime("/bin/sleep", "1000"))
    last = max(int(fd) for fd in os.listdir(f"/proc/{rig.pid}/fd"))
    _, hard = resource.prlimit(rig.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(rig.pid, resource.RLIMIT_NOFILE, (last + 1, hard))
    crowd = [rig.stranger() for _ in range(5)]
    assert rig.cpu_while_idle() < IDLE
    resource.prlimit(rig.pid, resource.RLIMIT_NOFILE, (min(1024, hard), hard))
    for stranger in crowd:
        stranger.close()
    assert rig.attach(WANTS_OUT)  # the listener is looked at again
    os.kill(pid, signal.SIGKILL)
    rig.say("release")


def test_a_peer_that_makes_its_pipe_blocking_stops_nobody(rig: Rig, full_size: tuple[int, int]) -> None:
    rig.configure(rig.runtime("/bin/cat", "/dev/zero"), "log_driver=none")
    pid = rig.created()
    passed = own(full_size[1], os.O_WRONLY)
    rig.welcomed(WANTS_OUT | FOREGROUND | PASS_STDOUT, passed)
    rig.attach(WANTS_OUT)
    fcntl.fcntl(passed, fcntl.F_SETFL, fcntl.fcntl(passed, fcntl.F_GETFL) & ~os.O_NONBLOCK)
    rig.say("started")
    until(lambda: not select.select([], [full_size[1]], [], 0)[1])
    third = rig.client(WANTS_OUT)
    assert third.frame()[0] == WELCOME
    os.kill(pid, signal.SIGKILL)
    os.close(passed)
    rig.say("release")


def test_input_of_one_that_feeds_nothing_is_thrown_away(rig: Rig) -> None:
    pid = rig.start(rig.runtime("/bin/sleep", "1000"), "stdin=1")
    client = rig.attach(WANTS_OUT)
    for _ in range(6):  # more than a window
        client.send(STDIN, bytes(65536))
    os.kill(pid, signal.SIGTERM)
    assert client.frame() == (0x85, b"\x8f")
    rig.say("release")
