"""Not a byte is lost, doubled or moved where sessions come and go beside a passed pipe, and where two feed one process."""

from __future__ import annotations

import os
import select
import sys
import threading

import pytest

from .conftest import PATIENCE, Client, Rig

LINES = 400_000
PROGRAM = f"import sys\nfor s in range(0, {LINES}, 1000): sys.stdout.write(''.join('%08d\\n' % i for i in range(s, s + 1000)))"
WRITTEN = b"".join(b"%08d\n" % number for number in range(LINES))


def opened(fd: int, mode: int) -> int:
    """A pipe's end of its own, as a client passes it; the given one is closed."""
    new = os.open(f"/proc/self/fd/{fd}", mode | os.O_NONBLOCK | os.O_CLOEXEC)
    os.close(fd)
    return new


def reading(fd: int, into: bytearray) -> threading.Thread:
    def run() -> None:
        while data := os.read(fd, 50_000):
            into.extend(data)
        os.close(fd)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def some(client: Client, size: int) -> bytes:
    """So many bytes of stream 1, or what there is to the end."""
    data = bytearray()
    while len(data) < size:
        kind, payload = client.frame()
        if kind in (0x82, 0x85, 0x86, 0):
            break
        if kind == 0x83:
            data += payload
    return bytes(data)


def visited(rig: Rig) -> bytes:
    """What a short visit gets; nothing of a shim that takes no more visitors, or leaves while they come."""
    try:
        client = rig.client(2)
        try:
            return some(client, 60_000)
        finally:
            client.close()
    except (ConnectionError, FileNotFoundError):
        assert select.select([rig.control], [], [], PATIENCE)[0], "it sends visitors away while its process runs"
        return b""


@pytest.mark.parametrize("log", [["log_driver=none"], [], ["log_size=500000", "log_files=400"]], ids=["unlogged", "logged", "rotated"])
def test_sessions_come_and_go_beside_a_pipe(rig: Rig, log: list[str]) -> None:
    reader, writer = os.pipe()
    rig.configure(rig.runtime(sys.executable, "-I", "-S", "-c", PROGRAM), *log)
    rig.created()
    passed = opened(writer, os.O_WRONLY)
    first, flags = rig.welcomed(2 | 8 | 32, passed)
    os.close(passed)
    assert flags & 16
    got = bytearray()
    thread = reading(reader, got)
    second = rig.attach(2)
    rig.say("started")
    pieces = [some(second, 100_000)]
    second.close()
    while not select.select([rig.control], [], [], 0)[0]:
        pieces.append(visited(rig))
    assert rig.exited()["code"] == "0"
    assert first.frame()[0] == 0x85
    thread.join()
    rig.say("done")
    assert bytes(got) == WRITTEN
    assert pieces[0] == WRITTEN[:len(pieces[0])]
    assert all(piece in WRITTEN for piece in pieces)
    if not log:
        assert rig.logged().encode() == WRITTEN


def test_a_pipe_and_a_session_feed_one_process(rig: Rig) -> None:
    source, typed = os.pipe()
    reader, writer = os.pipe()
    rig.configure(rig.runtime("cat"), "stdin=1", "log_driver=none")
    rig.created()
    ends = (opened(source, os.O_RDONLY), opened(writer, os.O_WRONLY))
    _, flags = rig.welcomed(1 | 2 | 8 | 16 | 32, *ends)
    for fd in ends:
        os.close(fd)
    assert flags & (8 | 16) == 24
    second, flags = rig.welcomed(1)
    assert flags & 2
    rig.say("started")
    got = bytearray()
    thread = reading(reader, got)
    lower, upper = b"abcdefghijk" * 100_000, b"ABCDEFGHIJKLM" * 60_000

    def feed() -> None:
        left = memoryview(lower)
        while left:
            left = left[os.write(typed, left[:70_000]):]

    feeding = threading.Thread(target=feed)
    feeding.start()
    window, at = 256 * 1024, 0
    while at < len(upper):
        size = min(50_000, len(upper) - at, window)
        second.send(2, upper[at:at + size])
        at, window = at + size, window - size
        while window < 50_000:
            kind, payload = second.frame()
            assert kind == 0x87
            window += int.from_bytes(payload, "big")
    feeding.join()
    while len(got) < len(lower) + len(upper):
        assert not select.select([rig.control], [], [], 0.01)[0], "the process ended"
    os.close(typed)
    assert rig.exited()["code"] == "0"
    thread.join()
    rig.say("done")
    assert bytes(byte for byte in got if byte >= 97) == lower
    assert bytes(byte for byte in got if byte < 97) == upper
