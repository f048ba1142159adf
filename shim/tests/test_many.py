"""Several sessions at once, and who is in the foreground: PROTOCOL.md, "Attach socket"."""

from __future__ import annotations

import random
import signal
import socket
import time
from pathlib import Path

import pytest

from conman_shim.outbox import Outbox

STDIN, STDIN_END, SIGNAL, DETACH = 2, 3, 5, 6
WELCOME, REFUSED, STDOUT, EXITED, DROPPED, WINDOW = 0x81, 0x82, 0x83, 0x85, 0x86, 0x87
TERMINAL, FEEDS, IN_FOREGROUND = 1, 2, 4
ALL, FOREGROUND = 7, 15


def test_every_session_gets_everything(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 300000 /dev/zero; echo err >&2; exit 3"))
    rig.created()
    clients = [rig.attach() for _ in range(10)]
    rig.say("started")
    for client in clients:
        assert client.output() == (bytes(300_000), b"err\n", (EXITED, b"\x03"))


def test_there_are_as_many_as_configured_and_room_again_when_one_leaves(rig) -> None:
    rig.start(rig.runtime("sleep", "100"), "sessions=3")
    clients = [rig.attach() for _ in range(3)]
    kind, text = rig.client().frame()
    assert kind == REFUSED
    assert b"3 sessions" in text
    clients[1].send(DETACH)
    assert clients[1].frame() == (0, b"")
    rig.attach()


def test_thirty_two_by_default_even_when_all_come_at_once(rig) -> None:
    rig.start(rig.runtime("sleep", "100"))
    kinds = [client.frame()[0] for client in [rig.client() for _ in range(33)]]
    assert sorted(kinds) == [WELCOME] * 32 + [REFUSED]


def test_strangers_who_say_nothing_hold_nobody_up_for_long(rig) -> None:
    rig.start(rig.runtime("sleep", "100"))
    silent = [rig.stranger() for _ in range(8)]
    waiting = rig.client()
    silent[3].close()
    assert waiting.frame()[0] == WELCOME


def test_all_feed_and_any_ends_the_input(rig) -> None:
    rig.start(rig.runtime("cat"), "stdin=1")
    first, second = rig.welcomed(ALL), rig.welcomed(ALL)
    assert (first[1], second[1]) == (FEEDS, FEEDS)
    first[0].send(STDIN, b"one\n")
    second[0].until(b"one\n")
    second[0].send(STDIN, b"two\n")
    first[0].until(b"two\n")
    second[0].send(STDIN_END)
    assert first[0].output()[2] == (EXITED, b"\x00")


def test_after_the_end_of_input_nobody_feeds(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "cat; echo over; exec sleep 100"), "stdin=1")
    client = rig.attach()
    client.send(STDIN_END)
    client.until(b"over\n")
    assert rig.welcomed(ALL)[1] == 0


def test_each_has_a_window_of_its_own_and_hears_of_its_own_bytes(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "trap 'cat >/dev/null' USR1; echo ready; while :; do sleep 0.02; done"), "stdin=1")
    first, second = rig.attach(1), rig.attach(3)
    for client in (first, second):
        for _ in range(4):
            client.send(STDIN, bytes(65536))
    second.send(SIGNAL, bytes((signal.SIGUSR1,)))
    for client in (first, second):
        said = 0
        while said < 4 * 65536:
            kind, payload = client.frame()
            if kind == WINDOW:
                said += int.from_bytes(payload, "big")
        assert said == 4 * 65536


def test_what_a_lost_session_sent_still_arrives(rig) -> None:
    rig.configure(rig.runtime("cat"), "stdin=1")
    rig.created()
    first, second = rig.attach(), rig.attach()
    first.send(STDIN, b"last words\n")
    first.close()
    rig.say("started")
    assert second.until(b"words\n") == b"last words\n"


def test_with_stdin_once_the_last_feeding_session_ends_the_input(rig) -> None:
    rig.start(rig.runtime("cat"), "stdin=1", "stdin_once=1")
    first, second, watcher = rig.attach(), rig.attach(), rig.attach(6)
    first.close()
    second.send(STDIN, b"still open\n")
    watcher.until(b"open\n")
    second.close()
    assert watcher.output()[2] == (EXITED, b"\x00")


def test_with_stdin_once_a_session_that_only_watches_ends_nothing(rig) -> None:
    rig.start(rig.runtime("cat"), "stdin=1", "stdin_once=1")
    rig.attach(6).close()
    client = rig.attach()
    client.send(STDIN, b"open\n")
    client.until(b"open\n")


def test_the_foreground_is_for_one_and_before_the_start(rig) -> None:
    rig.configure(rig.runtime("sleep", "100"))
    rig.created()
    first, flags = rig.welcomed(FOREGROUND)
    assert flags == IN_FOREGROUND
    assert rig.welcomed(FOREGROUND)[1] == 0
    first.close()
    again, flags = rig.welcomed(FOREGROUND)
    assert flags == IN_FOREGROUND
    again.close()
    rig.say("started")
    deadline = time.monotonic() + 10
    while rig.welcomed(FOREGROUND)[1]:  # until it has heard
        rig.clients[-1].close()
        assert time.monotonic() < deadline


def test_a_session_that_only_says_foreground_pushes_nothing_back(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "read line; head -c 20000000 /dev/zero"), "log_driver=none", "stdin=1")
    feeder = rig.attach(1)
    client, flags = rig.welcomed(FOREGROUND)
    assert flags == FEEDS
    feeder.send(STDIN, b"\n")
    assert rig.exited()["code"] == "0"
    assert client.output()[2][0] in (DROPPED, 0)


def test_a_stuck_session_delays_no_other(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 20000000 /dev/zero; echo end"), "log_driver=none")
    rig.created()
    stuck = [rig.attach() for _ in range(3)]
    reader = rig.attach(FOREGROUND)
    rig.say("started")
    out, _, last = reader.output()
    assert (len(out), last) == (20_000_004, (EXITED, b"\x00"))
    for client in stuck:
        kind, text = client.output()[2]
        assert kind == DROPPED
        assert b"dropped" in text


def test_what_the_pipes_held_at_the_end_drops_nobody(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 1300000 /dev/zero; head -c 1000000 /dev/zero >&2"), "log_driver=none")
    rig.created()
    rig.attach(FOREGROUND)  # takes nothing: so the pipes are full when the process ends
    client = rig.attach()
    rig.say("started")
    rig.exited()
    out, err, last = client.output()
    assert (len(out), len(err), last) == (1_300_000, 1_000_000, (EXITED, b"\x00"))
    rig.say("done")


def test_single_bytes_are_joined_while_they_wait() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    outbox = Outbox(ours)
    sent = bytes(random.Random(1).randbytes(200_000))
    for byte in sent:
        outbox.send(b"\x83", bytes((byte,)))
    outbox.send(b"\x84", b"other")
    outbox.send(b"\x83", b"end")
    packets = []
    while not outbox.empty:
        packets.append(theirs.recv(1 << 17))
        outbox.flush()
    theirs.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            packets.append(theirs.recv(1 << 17))
    assert outbox.lying == 0
    assert b"".join(packet[1:] for packet in packets) == sent + b"otherend"
    assert [packet[0] for packet in packets[-2:]] == [0x84, 0x83]
    assert max(map(len, packets)) <= 1 + 65536
    assert len(packets) < 2000
    ours.close()
    theirs.close()


@pytest.mark.parametrize("flags", [6, 14])
def test_a_flood_leaves_signals_their_turn(rig, flags: int) -> None:
    rig.configure(rig.runtime("cat", "/dev/zero"), "log_driver=none")
    rig.created()
    reader, other = rig.attach(flags), rig.attach(0)
    rig.say("started")
    assert reader.frame()[0] == STDOUT
    began = time.monotonic()
    other.send(SIGNAL, bytes((signal.SIGTERM,)))
    if flags == 14:
        reader.output()
    assert rig.exited()["signal"] == str(int(signal.SIGTERM))
    assert time.monotonic() - began < 1.0


def test_idle_sessions_cost_nothing(rig) -> None:
    rig.start(rig.runtime("sleep", "100"), "stdin=1")
    for _ in range(5):
        rig.attach()
    rig.attach(6).close()
    assert rig.cpu_while_idle() < 0.02


def test_a_stray_that_holds_the_output_costs_nothing(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "sleep 100 & echo $!"))
    rig.exited()
    assert Path(f"/proc/{int(rig.logged())}").exists()
    assert rig.cpu_while_idle() < 0.02
