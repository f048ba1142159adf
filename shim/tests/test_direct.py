"""Descriptors that a client passes: PROTOCOL.md, "Descriptors"."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import select
import signal
import threading
import time
from pathlib import Path

import pytest

from .pipes import (
    BOTH,
    BROKEN,
    EXITED,
    FEEDS,
    IN_FOREGROUND,
    NO_LOG,
    PASS_STDERR,
    PASS_STDIN,
    PASS_STDOUT,
    SIGNAL,
    STDIN,
    STDIN_END,
    STDOUT,
    TERMINAL,
    TOOK_STDERR,
    TOOK_STDIN,
    TOOK_STDOUT,
    Pipe,
    begin,
)


@pytest.mark.parametrize("extra", [(NO_LOG,), ()], ids=["spliced", "logged"])
def test_output_goes_by_the_descriptors_and_exited_comes_after_it(rig, out: Pipe, err: Pipe, extra: tuple[str, ...]) -> None:
    client, flags = begin(rig, "echo out; echo err >&2; exit 3", BOTH | PASS_STDOUT | PASS_STDERR, out.given, err.given, extra=extra)
    assert flags == IN_FOREGROUND | TOOK_STDOUT | TOOK_STDERR
    assert client.frame() == (EXITED, b"\x03")
    assert (out.some(100), err.some(100)) == (b"out\n", b"err\n")
    if not extra:
        rig.exited()
        assert rig.logged() == "out\n"


@pytest.mark.parametrize("extra", [(NO_LOG,), ()], ids=["spliced", "logged"])
def test_a_slow_reader_gets_every_byte(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "seq 1 700000", BOTH | PASS_STDOUT, out.given, extra=extra)
    digest, size = hashlib.sha256(), 0
    expected = "".join(f"{n}\n" for n in range(1, 700_001)).encode()
    while size < len(expected):
        if size < 200_000:
            select.select([], [], [], 0.005)
        data = out.some(4096 if size < 400_000 else 1 << 16)
        digest.update(data)
        size += len(data)
    assert digest.digest() == hashlib.sha256(expected).digest()
    assert client.frame() == (EXITED, b"\x00")


def test_another_session_gets_the_same_bytes_and_what_leaves_again_costs_nothing(rig, out: Pipe) -> None:
    client, _ = begin(rig, "while read line; do echo $line; done", BOTH | 1 | PASS_STDOUT, out.given, extra=(NO_LOG, "stdin=1"))
    for number in range(4):
        other = rig.attach(2) if number % 2 else None
        client.send(STDIN, b"%d\n" % number)
        assert out.read(2) == b"%d\n" % number
        if other is not None:
            other.until(b"%d\n" % number)
            other.close()
    client.send(STDIN_END)
    assert client.output()[2] == (EXITED, b"\x00")


def test_input_comes_from_the_descriptor_and_its_end_is_the_end(rig, source: Pipe, out: Pipe) -> None:
    client, flags = begin(rig, "cat", 15 | PASS_STDIN | PASS_STDOUT, source.given, out.given, extra=(NO_LOG, "stdin=1"))
    assert flags == FEEDS | IN_FOREGROUND | TOOK_STDIN | TOOK_STDOUT
    source.hand_over()
    data = os.urandom(3_000_000)
    feeding = threading.Thread(target=feed, args=(source, data))
    feeding.start()
    assert out.read(len(data)) == data
    feeding.join()
    assert client.frame() == (EXITED, b"\x00")


def feed(pipe: Pipe, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe.writer, view):]
    pipe.close_writer()


def test_input_that_comes_before_the_start_arrives(rig, source: Pipe) -> None:
    os.write(source.writer, b"early\n")
    client, _ = begin(rig, "read line; echo $line", 15 | PASS_STDIN, source.given, extra=("stdin=1",))
    assert client.until(b"\n") == b"early\n"


def test_frames_and_descriptor_may_feed_together(rig, source: Pipe) -> None:
    client, _ = begin(rig, "cat", 15 | PASS_STDIN, source.given, extra=("stdin=1",))
    client.send(STDIN, b"frame\n")
    client.until(b"frame\n")
    os.write(source.writer, b"pipe\n")
    client.until(b"pipe\n")
    other = rig.attach(3)
    other.send(STDIN, b"other\n")
    client.until(b"other\n")


def test_what_the_process_does_not_take_is_left_in_the_callers_pipe(rig, source: Pipe) -> None:
    begin(rig, "exec sleep 100", 15 | PASS_STDIN, source.given, extra=("stdin=1",))
    os.set_blocking(source.writer, False)
    wrote = 0
    while select.select([], [source.writer], [], 0.3)[1]:
        wrote += os.write(source.writer, bytes(4096))
    assert 0 < wrote < 1_500_000
    assert rig.cpu_while_idle() < 0.02


def test_a_process_that_stopped_reading_its_input_costs_nothing(rig, source: Pipe) -> None:
    client, _ = begin(rig, "exec <&-; echo closed; exec sleep 100", 15 | PASS_STDIN, source.given, extra=("stdin=1",))
    client.until(b"closed\n")
    os.write(source.writer, b"x")
    assert rig.cpu_while_idle() < 0.02
    rig.lets_go_of(source.name)


@pytest.mark.parametrize("extra", [(NO_LOG,), ()], ids=["spliced", "logged"])
def test_a_broken_output_is_told_and_the_process_goes_on(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "head -c 5000000 /dev/zero; echo end >&2; exit 4", BOTH | PASS_STDOUT, out.given, extra=extra)
    out.close()
    assert client.frame() == (BROKEN, b"\x01" + errno.EPIPE.to_bytes(4, "big"))
    assert client.output()[1:] == (b"end\n", (EXITED, b"\x04"))


def test_a_reader_that_goes_while_the_pipe_is_full_is_noticed(rig, out: Pipe) -> None:
    client, _ = begin(rig, "head -c 5000000 /dev/zero; exit 4", BOTH | PASS_STDOUT, out.given)
    assert rig.cpu_while_idle() < 0.02
    out.close()
    assert client.frame()[0] == BROKEN
    assert client.frame() == (EXITED, b"\x04")


@pytest.mark.parametrize("extra", [(NO_LOG,), ()], ids=["spliced", "logged"])
def test_a_stuck_reader_holds_the_process_costs_nothing_and_frames_are_heard(rig, out: Pipe, extra: tuple[str, ...]) -> None:
    client, _ = begin(rig, "trap 'exit 9' USR1; head -c 3000000 /dev/zero & wait; wait", BOTH | PASS_STDOUT, out.given, extra=extra)
    assert rig.cpu_while_idle() < 0.02
    client.send(SIGNAL, bytes((signal.SIGUSR1,)))
    assert rig.exited()["code"] == "9"


def test_one_stuck_output_does_not_hold_the_other(rig, out: Pipe, err: Pipe) -> None:
    script = "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; echo done >&2; wait"
    client, _ = begin(rig, script, BOTH | PASS_STDOUT | PASS_STDERR, out.given, err.given)
    assert err.read(3_000_005).endswith(b"done\n")
    assert len(out.read(3_000_000)) == 3_000_000
    assert client.frame() == (EXITED, b"\x00")


def test_the_exit_is_told_at_once_and_what_was_left_is_delivered_when_there_is_room(rig, out: Pipe) -> None:
    fcntl.fcntl(out.given, fcntl.F_SETPIPE_SZ, 4096)
    client, _ = begin(rig, "head -c 900000 /dev/zero; printf end; exit 5", BOTH | PASS_STDOUT, out.given)
    assert rig.exited()["code"] == "5"
    assert rig.exit_file()["code"] == "5"
    assert select.select([client.socket], [], [], 0.2)[0] == [], "exited was said too early"
    assert out.read(900_003).endswith(b"\0end")
    assert client.frame() == (EXITED, b"\x05")
    assert out.name not in rig.pipes()


def test_a_client_that_is_killed_keeps_no_pipe_and_holds_nothing_up(rig, source: Pipe, out: Pipe) -> None:
    fds = source.given, out.given
    client, _ = begin(rig, "cat /dev/zero", 15 | PASS_STDIN | PASS_STDOUT, *fds, extra=(NO_LOG, "stdin=1"))
    out.read(1_000_000)
    out.hand_over()
    out.close_writer()
    assert {out.name, source.name} <= rig.pipes()
    client.close()
    while select.select([out.reader], [], [], 20)[0] and os.read(out.reader, 1 << 20):
        pass  # the end comes although the process lives
    rig.lets_go_of(source.name)
    assert rig.attach(2).frame()[0] == STDOUT
    rig.attach(0).send(SIGNAL, bytes((signal.SIGKILL,)))
    assert rig.exited()["signal"] == "9"


def test_nothing_of_it_reaches_the_process(rig, source: Pipe, out: Pipe, err: Pipe) -> None:
    rig.configure(["sh", "-c", "while ! test -e \"$0.go\"; do sleep 0.01; done; exec \"$@\"", rig.path("x"),
                   *rig.runtime("sleep", "100")], "stdin=1", NO_LOG)
    assert rig.heard_next()[0] == "listening"
    rig.welcomed(127, source.given, out.given, err.given)
    (rig.folder / "x.go").touch()
    pid = rig.created()
    links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert len(links) >= 3
    assert not links & {source.name, out.name, err.name}


def test_what_cannot_be_used_goes_by_frames_and_is_closed(rig, out: Pipe, source: Pipe, folder: Path) -> None:
    blocking = os.dup(out.writer)
    file = os.open(folder / "file", os.O_RDWR | os.O_CREAT | os.O_NONBLOCK)
    wrong_way = os.open(f"/proc/self/fd/{out.reader}", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for flags, fds in ((PASS_STDOUT, (blocking,)), (PASS_STDOUT, (file,)), (PASS_STDOUT, (wrong_way,)),
                           (PASS_STDOUT, ()), (PASS_STDOUT, (out.given, out.given)), (0, (out.given,)),
                           (PASS_STDIN, (source.given,))):
            rig.configure(rig.runtime("sh", "-c", "echo text"), NO_LOG)
            rig.created()
            client, welcome = rig.welcomed(BOTH | flags, *fds)
            assert welcome == IN_FOREGROUND, (flags, fds)
            assert not {out.name, source.name, str(folder / "file")} & rig.pipes()
            rig.say("started")
            assert client.output()[0] == b"text\n"
            rig.exited()
            rig.say("done")
            rig.gone()
            rig.relaunch()
    finally:
        for fd in (blocking, file, wrong_way):
            os.close(fd)


def test_only_the_foreground_session_may(rig, out: Pipe) -> None:
    rig.configure(rig.runtime("sleep", "100"), NO_LOG)
    rig.created()
    assert rig.welcomed(6 | PASS_STDOUT, out.given)[1] == 0
    assert rig.welcomed(BOTH)[1] == IN_FOREGROUND
    assert rig.welcomed(BOTH | PASS_STDOUT, out.given)[1] == 0
    assert out.name not in rig.pipes()


def test_not_with_a_terminal(rig, out: Pipe) -> None:
    console = rig.path("console")
    rig.configure(rig.runtime("sleep", "100", options=("--console", console)), "terminal=1", f"console_socket={console}", NO_LOG)
    rig.created()
    assert rig.welcomed(BOTH | PASS_STDOUT, out.given)[1] == TERMINAL | IN_FOREGROUND
    assert out.name not in rig.pipes()


def test_descriptors_with_another_packet_are_closed(rig, out: Pipe) -> None:
    import socket
    rig.start(rig.runtime("cat"), "stdin=1")
    client = rig.attach()
    socket.send_fds(client.socket, [b"\x02text\n"], [out.given])
    client.until(b"text\n")
    stranger = rig.stranger()
    socket.send_fds(stranger.socket, [b"\x70what"], [out.given])
    stranger.send(1, b"\x01\x07")
    assert stranger.frame()[0] == 0x81
    assert out.name not in rig.pipes()


def test_a_flood_by_descriptor_leaves_others_their_turn(rig, out: Pipe) -> None:
    client, _ = begin(rig, "trap '' HUP; exec cat /dev/zero", BOTH | PASS_STDOUT, out.given)
    reading = threading.Thread(target=swallow, args=(out.reader,))
    reading.start()
    waits = []
    for _ in range(20):
        began = time.monotonic()
        rig.attach(0).close()
        waits.append(time.monotonic() - began)
    client.send(SIGNAL, bytes((signal.SIGTERM,)))
    assert client.frame()[0] == EXITED
    out.hand_over()
    out.close_writer()
    reading.join()
    assert sorted(waits)[10] < 0.2


def swallow(fd: int) -> None:
    while os.read(fd, 1 << 16):
        pass
