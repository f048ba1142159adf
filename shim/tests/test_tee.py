"""Output that is logged, or wanted by another session, too, and goes to a passed pipe: by tee(2), splice(2), or as frames would."""

from __future__ import annotations

import errno
import os
import select
import signal
from pathlib import Path
from typing import Iterator

import pytest

from .conftest import BOOT, Rig
from .pipes import BOTH, BROKEN, EXITED, IN_FOREGROUND, NO_LOG, PASS_STDIN, PASS_STDOUT, SIGNAL, STDOUT, TOOK_STDOUT, Pipe, begin

INSERT, IMPORT = BOOT.split("from conman_shim", 1)
REFUSE = "def refuse(*arguments, **named):\n    raise OSError(22, 'Invalid argument')\n"
SHIMS = {
    "tee": BOOT,
    "no-tee": f"{INSERT}import conman_shim.tee\nconman_shim.tee.load = lambda: None\nfrom conman_shim{IMPORT}",
    "tee-refused": f"{INSERT}import conman_shim.tee\nconman_shim.tee.load = lambda: lambda source, target, size: -1\n"
                   f"from conman_shim{IMPORT}",
    "splice": BOOT,
    "splice-refused": f"{INSERT}import os\n{REFUSE}os.splice = refuse\nfrom conman_shim{IMPORT}",
}
"""How a shim is started whose kernel, or Python, lacks something. By splice(2) where there is no log."""


@pytest.fixture(params=list(SHIMS))
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def extra(way: str) -> tuple[str, ...]:
    return (NO_LOG,) if way.startswith("splice") else ()


@pytest.fixture
def rig(folder: Path, way: str) -> Iterator[Rig]:
    made = Rig(folder, SHIMS[way])
    try:
        yield made
    finally:
        made.close()


def numbers(last: int) -> bytes:
    return b"".join(b"%d\n" % number for number in range(1, last + 1))


def logged(rig: Rig, extra: tuple[str, ...]) -> bytes | None:
    """What the log says; None where there is none. The log is whole once the process's end is told."""
    return None if extra else rig.logged().encode()


def test_all_of_it_arrives_in_the_pipe_and_in_the_log(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, flags = begin(rig, "seq 1 300000; printf end; exit 3", BOTH | PASS_STDOUT, out.given, extra=extra)
    assert flags == IN_FOREGROUND | TOOK_STDOUT
    expected = numbers(300_000) + b"end"
    assert out.read(len(expected)) == expected
    assert client.frame() == (EXITED, b"\x03")
    rig.exited()
    assert logged(rig, extra) in (None, expected)


def test_a_reader_that_leaves_in_the_middle(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "seq 1 300000; echo over >&2; exit 4", BOTH | PASS_STDOUT, out.given, extra=extra)
    expected = numbers(300_000)
    assert out.read(100_000) == expected[:100_000]
    out.close()
    assert client.frame() == (BROKEN, b"\x01" + errno.EPIPE.to_bytes(4, "big"))
    assert client.output() == (b"", b"over\n", (EXITED, b"\x04"))
    assert rig.exited()["code"] == "4"
    assert logged(rig, extra) in (None, expected)


def test_a_reader_that_leaves_while_the_pipe_is_full(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "seq 1 600000; exit 4", BOTH | PASS_STDOUT, out.given, extra=extra)
    assert rig.cpu_while_idle() < 0.02
    out.close()
    assert client.frame() == (BROKEN, b"\x01" + errno.EPIPE.to_bytes(4, "big"))
    assert client.frame() == (EXITED, b"\x04")
    assert rig.exited()["code"] == "4"
    assert logged(rig, extra) in (None, numbers(600_000))


def test_a_full_pipe_holds_the_process_without_a_busy_loop_and_loses_nothing(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "seq 1 600000", BOTH | PASS_STDOUT, out.given, extra=extra)
    expected = numbers(600_000)
    for at in range(0, 1_500_000, 500_000):
        assert rig.cpu_while_idle() < 0.02
        assert select.select([client.socket, rig.control], [], [], 0)[0] == [], "it is over, although nobody took what it said"
        assert out.read(500_000) == expected[at:at + 500_000]
    assert out.read(len(expected) - 1_500_000) == expected[1_500_000:]
    assert client.frame() == (EXITED, b"\x00")
    rig.exited()
    assert logged(rig, extra) in (None, expected)


def test_single_bytes_fill_a_pipe_by_their_number(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    """A pipe has room for so many buffers, however little each holds."""
    script = "for i in $(seq 1 3000); do printf .; done; echo end"
    client, _ = begin(rig, script, BOTH | PASS_STDOUT, out.given, extra=extra)
    assert out.read(1) == b"."
    assert rig.cpu_while_idle() < 0.3  # it may still be writing
    assert out.read(3003) == b"." * 2999 + b"end\n"
    assert client.frame() == (EXITED, b"\x00")
    rig.exited()
    assert logged(rig, extra) in (None, b"." * 3000 + b"end\n")


def test_another_session_that_joins_and_leaves_in_the_middle(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "seq 1 900000", BOTH | PASS_STDOUT, out.given, extra=extra)
    expected, got, heard = numbers(900_000), bytearray(), -1
    for round in range(6):
        other = rig.attach(2)
        got += out.read(400_000)
        piece = bytearray()
        while len(piece) < 150_000:
            kind, data = other.frame()
            assert kind == STDOUT
            piece += data
        if round % 2:
            other.send(6)
        other.close()
        at = expected.find(piece)
        assert at > heard, "not what was said after it joined, or not in order"
        heard = at
        got += out.read(400_000)
    got += out.read(len(expected) - len(got))
    assert got == expected
    assert client.frame() == (EXITED, b"\x00")
    rig.exited()
    assert logged(rig, extra) in (None, expected)


def test_another_session_gets_the_rest_where_the_reader_leaves(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "seq 1 60000; exec sleep 100", BOTH | PASS_STDOUT, out.given, extra=extra)
    expected, other = numbers(60_000), rig.attach(2)
    assert out.read(20_000) == expected[:20_000]
    out.close()
    piece = b""
    while not piece.endswith(b"\n60000\n"):
        kind, data = other.frame()
        assert kind == STDOUT
        piece += data
    assert expected.endswith(piece)
    client.send(SIGNAL, bytes((signal.SIGKILL,)))
    assert rig.exited()["signal"] == "9"
    assert logged(rig, extra) in (None, expected)


def test_input_too(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    """From a passed pipe through the process into a passed pipe."""
    source = Pipe(to_shim=True)
    try:
        client, _ = begin(rig, "cat", BOTH | 1 | PASS_STDIN | PASS_STDOUT, source.given, out.given, extra=(*extra, "stdin=1"))
        source.hand_over()
        data = os.urandom(30_000).hex().encode()  # less than a pipe holds
        os.write(source.writer, data)
        source.close_writer()
        assert out.read(len(data)) == data
        assert client.frame() == (EXITED, b"\x00")
        rig.exited()
        assert logged(rig, extra) in (None, data)
    finally:
        source.close()
