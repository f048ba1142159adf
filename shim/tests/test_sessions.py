"""Attached sessions: PROTOCOL.md, "Attach socket"."""

from __future__ import annotations

import select
import signal
import time
from pathlib import Path

STDIN, STDIN_END, RESIZE, SIGNAL, DETACH = 2, 3, 4, 5, 6
REFUSED, EXITED, DROPPED, WINDOW = 0x82, 0x85, 0x86, 0x87
FOREGROUND = 15


def test_attached_before_the_start_nothing_is_lost_and_streams_stay_apart(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "echo out; echo err >&2; exit 3"))
    rig.created()
    client = rig.attach()
    rig.say("started")
    assert client.output() == (b"out\n", b"err\n", (EXITED, b"\x03"))
    assert client.frame() == (0, b"")
    assert rig.exited()["code"] == "3"


def test_what_was_said_while_create_still_ran_is_not_lost(rig) -> None:
    script = "sh -c 'echo early >&2; touch \"$0\"; exec sleep 100' \"$1\" & echo $! > \"$0\"; " \
             "while ! test -e \"$1\"; do sleep 0.01; done"
    rig.configure(["sh", "-c", script, rig.path("pid"), rig.path("flag")])
    rig.created()
    client = rig.attach()
    rig.say("started")
    assert client.frame() == (0x84, b"early\n")


def test_output_and_exit_in_the_same_instant(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 300000 /dev/zero; printf end"))
    rig.created()
    client = rig.attach(FOREGROUND)
    rig.say("started")
    out, _, last = client.output()
    assert len(out) == 300_003
    assert out.endswith(b"end")
    assert last == (EXITED, b"\x00")


def test_there_is_no_replay(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "echo early; read line; echo late"), "stdin=1")
    rig.created()
    first = rig.attach()
    rig.say("started")
    first.until(b"early\n")
    first.send(DETACH)
    assert first.frame() == (0, b"")
    second = rig.attach()
    second.send(STDIN, b"\n")
    assert second.output()[0] == b"late\n"


def test_only_what_was_asked_for_is_sent(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "echo out; echo err >&2"))
    rig.created()
    client = rig.attach(4)
    rig.say("started")
    assert client.output() == (b"", b"err\n", (EXITED, b"\x00"))


def test_another_version_is_refused(rig) -> None:
    rig.start(rig.runtime("sleep", "100"))
    kind, text = rig.client(version=9).frame()
    assert kind == REFUSED
    assert b"version 9" in text


def test_unknown_and_malformed_frames_are_ignored(rig) -> None:
    rig.start(rig.runtime("cat"), "stdin=1")
    client = rig.attach()
    for frame in (b"\x70what", b"\x04", b"\x04\x01", b"\x05", b"\x01\x01\x07"):
        client.socket.send(frame)
    client.send(STDIN, b"still here\n")
    assert client.until(b"here\n") == b"still here\n"


def test_half_close_of_input_reaches_the_process(rig) -> None:
    rig.start(rig.runtime("cat"), "stdin=1")
    client = rig.attach()
    client.send(STDIN, b"no newline")
    client.send(STDIN_END)
    assert client.output() == (b"no newline", b"", (EXITED, b"\x00"))


def test_without_stdin_the_process_sees_the_end_at_once(rig) -> None:
    rig.configure(rig.runtime("cat"))
    rig.created()
    client = rig.attach()
    client.send(STDIN, b"nobody reads this")  # before the start: the process, and so the session, is over in a moment
    rig.say("started")
    assert client.output()[0] == b""


def test_attach_without_stdin_then_leave_does_not_spin(rig) -> None:
    rig.start(rig.runtime("sleep", "100"))
    rig.attach(6).close()
    assert rig.cpu_while_idle() < 0.02


def test_a_process_that_stopped_reading_does_not_spin(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "exec <&-; echo closed; exec sleep 100"), "stdin=1")
    client = rig.attach()
    client.send(STDIN, b"x" * 60_000)
    assert rig.cpu_while_idle() < 0.02


def test_a_process_that_closes_its_output_lives_on(rig) -> None:
    pid = rig.start(rig.runtime("sh", "-c", "echo bye; exec >&- 2>&-; read line; exit 4"), "stdin=1")
    client = rig.attach()
    assert rig.cpu_while_idle() < 0.02
    assert Path(f"/proc/{pid}").exists()
    client.send(STDIN, b"\n")
    assert rig.exited()["code"] == "4"


def test_a_window_bounds_input_and_opens_as_the_process_reads(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "read line; cat >/dev/null"), "stdin=1")
    client = rig.client()
    kind, payload = client.frame()
    window = int.from_bytes(payload[2:6], "big")
    assert (kind, window) == (0x81, 256 * 1024)
    for _ in range(4):
        client.send(STDIN, b"x" * 65536)
    client.send(SIGNAL, b"\x00")  # a frame behind stuck input is still heard
    sent = window
    while sent > 0:  # the pipe takes it: room is announced
        kind, payload = client.frame()
        assert kind == WINDOW
        sent -= int.from_bytes(payload, "big")


def test_a_signal_passes_stuck_input(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done"), "stdin=1")
    client = rig.attach(FOREGROUND)
    for _ in range(4):
        client.send(STDIN, b"x" * 65536)
    client.send(SIGNAL, bytes((signal.SIGUSR1,)))
    assert rig.exited()["code"] in ("9", str(128 + signal.SIGUSR1))


def test_more_input_than_the_window_allows_drops_the_session(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "kill -STOP $$"), "stdin=1")
    client = rig.attach()
    for _ in range(40):
        try:
            client.send(STDIN, b"x" * 65536)
        except OSError:
            break
    kind, text = client.frame()
    while kind == WINDOW:
        kind, text = client.frame()
    assert kind == DROPPED
    assert b"window" in text


def test_a_client_that_never_reads_blocks_nothing_and_is_dropped(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 20000000 /dev/zero; echo done >&2"), "log_driver=none")
    rig.created()
    client = rig.attach()
    rig.say("started")
    assert rig.exited()["code"] == "0"
    out, _, (kind, text) = client.output()
    assert 0 < len(out) < 20_000_000
    assert kind in (DROPPED, 0)
    if kind == DROPPED:
        assert b"dropped" in text
    rig.say("done")


def test_the_foreground_session_pushes_back_and_gets_every_byte(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 20000000 /dev/zero; echo done >&2"), "log_driver=none")
    rig.created()
    client = rig.attach(FOREGROUND)
    rig.say("started")
    assert select.select([rig.control], [], [], 0.5)[0] == [], "it ended although nobody read"
    out, err, last = client.output()
    assert (len(out), err, last) == (20_000_000, b"done\n", (EXITED, b"\x00"))
    rig.say("done")


def test_logging_goes_on_when_the_foreground_session_dies(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x; echo"))
    rig.created()
    client = rig.attach(FOREGROUND)
    rig.say("started")
    client.frame()
    client.close()
    assert rig.exited()["code"] == "0"
    assert rig.logged() == "x" * 5_000_000 + "\n"


def test_with_stdin_once_a_lost_session_ends_the_input(rig) -> None:
    rig.start(rig.runtime("cat"), "stdin=1", "stdin_once=1")
    rig.attach().close()
    assert rig.exited()["code"] == "0"


def test_with_stdin_once_detaching_leaves_the_input_open(rig) -> None:
    pid = rig.start(rig.runtime("cat"), "stdin=1", "stdin_once=1")
    first = rig.attach()
    first.send(DETACH)
    assert first.frame() == (0, b"")
    second = rig.attach()
    second.send(STDIN, b"again\n")
    assert second.until(b"again\n") == b"again\n"
    assert Path(f"/proc/{pid}").exists()


def test_without_stdin_once_the_input_outlives_a_session(rig) -> None:
    rig.start(rig.runtime("cat"), "stdin=1")
    first = rig.attach()
    first.send(STDIN, b"one\n")
    first.until(b"one\n")
    first.close()
    second = rig.attach()
    second.send(STDIN, b"two\n")
    assert second.until(b"two\n") == b"two\n"


def test_a_session_that_leaves_the_end_lying_delays_clean_up_a_bounded_time(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "head -c 700000 /dev/zero"), "cleanup=touch", f"cleanup={rig.path('cleaned')}")
    rig.created()
    rig.attach()
    rig.say("release")
    rig.gone()
    assert (rig.folder / "cleaned").exists()


def test_a_stray_that_holds_the_pipe_delays_nothing(rig) -> None:
    rig.configure(rig.runtime("sh", "-c", "(trap '' HUP; while :; do echo noise || exit; done) & echo main; exit 6"))
    rig.created()
    rig.say("started")
    told = rig.exited()
    assert told["code"] == "6"
    assert "main" in rig.logged()
    rig.say("done")
    rig.gone()


def test_signals_reach_the_main_process(rig) -> None:
    rig.start(rig.runtime("sleep", "100"))
    client = rig.attach()
    client.send(SIGNAL, bytes((signal.SIGINT,)))
    assert client.output()[2] == (EXITED, bytes((130,)))
    assert rig.exited()["signal"] == "2"


def leave_in_the_middle(rig, client, *frames: bytes) -> None:
    """Say this and leave at once, with output of the shim unread, and more of it under way."""
    signal.pidfd_send_signal(rig.handle, signal.SIGSTOP)
    try:
        assert select.select([client.socket], [], [], 20)[0]
        (rig.folder / "go").touch()
        deadline = time.monotonic() + 20
        while not (rig.folder / "said").exists():
            assert time.monotonic() < deadline
            select.select([rig.handle], [], [], 0.005)
        for frame in frames:
            client.socket.send(frame)
        client.close()
    finally:
        signal.pidfd_send_signal(rig.handle, signal.SIGCONT)


TALKS = "echo first; while ! test -e \"$0\"; do sleep 0.01; done; echo second; touch \"$1\"; while read x; do echo got $x; done; echo over"


def talking(rig):
    """Two sessions, the first of which has output lying; the other only looks on."""
    rig.configure(rig.runtime("sh", "-c", TALKS, rig.path("go"), rig.path("said")), "stdin=1", "stdin_once=1")
    rig.created()
    client, watcher = rig.attach(7), rig.attach(2)
    rig.say("started")
    watcher.until(b"first\n")
    return client, watcher


def test_a_detach_counts_although_output_was_left_unread(rig) -> None:
    client, watcher = talking(rig)
    leave_in_the_middle(rig, client, bytes((STDIN,)) + b"words\n", bytes((DETACH,)))
    assert watcher.until(b"words\n") == b"second\ngot words\n"
    other, flags = rig.welcomed(7)
    assert flags == 2, "the input has ended, as if the session had been lost"
    other.send(STDIN, b"more\n")
    other.until(b"got more\n")


def test_what_a_lost_session_had_sent_counts_although_output_was_left_unread(rig) -> None:
    client, watcher = talking(rig)
    leave_in_the_middle(rig, client, bytes((STDIN,)) + b"words\n")
    assert watcher.output()[::2] == (b"second\ngot words\nover\n", (EXITED, b"\x00"))
