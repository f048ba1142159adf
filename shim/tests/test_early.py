"""A start that is said before create has succeeded: PROTOCOL.md, "Life", early output."""

from __future__ import annotations

import select
import signal
import time
from pathlib import Path

import pytest

from .conftest import PATIENCE

STDIN, SIGNAL, EXITED, DROPPED = 2, 5, 0x85, 0x86
FOREGROUND = 15


def joined(rig, script: str, *extra: str, status: int = 0, start: bool = True):
    """A session that joined while create runs, and goes on doing so; started is said if wanted."""
    rig.configure(rig.runtime("sh", "-c", script, options=("--until", rig.path("go"), str(status))), *extra)
    assert rig.heard_next()[0] == "listening"
    client = rig.attach(FOREGROUND)
    if start:
        rig.say("started")
    return client


def wait_for_its_end(rig) -> None:
    """The process has ended, and its parent, the runtime's create, goes on."""
    pid = rig.folder / "pid"
    deadline = time.monotonic() + 20
    while not pid.exists() or not pid.read_text() or ") Z" not in Path(f"/proc/{pid.read_text()}/stat").read_text():
        assert time.monotonic() < deadline


def let_create_end(rig) -> None:
    (rig.folder / "go").touch()


def test_listening_comes_before_create_has_ended(rig) -> None:
    client = joined(rig, "echo out", start=False)
    let_create_end(rig)
    rig.created()
    rig.say("started")
    assert client.output() == (b"out\n", b"", (EXITED, b"\x00"))


def test_standard_output_flows_while_create_still_runs(rig) -> None:
    client = joined(rig, "echo early; read line; echo late; exit 6", "stdin=1")
    assert client.until(b"\n") == b"early\n"
    let_create_end(rig)
    rig.created()
    client.send(STDIN, b"\n")
    assert client.output() == (b"late\n", b"", (EXITED, b"\x06"))
    rig.exited()
    assert rig.logged() == "early\nlate\n"


def test_input_flows_too(rig) -> None:
    client = joined(rig, "read line; echo $line", "stdin=1")
    client.send(STDIN, b"hello\n")
    assert client.until(b"\n") == b"hello\n"
    let_create_end(rig)
    assert rig.heard()[0] == "created"
    assert client.output()[2] == (EXITED, b"\x00")


def test_standard_error_waits_for_created(rig) -> None:
    client = joined(rig, "echo err >&2; echo out; exec sleep 100")
    assert client.frame() == (0x83, b"out\n")
    let_create_end(rig)
    rig.created()
    assert client.frame() == (0x84, b"err\n")


def test_without_an_early_start_nothing_flows(rig) -> None:
    client = joined(rig, f"echo out; touch {rig.path('said')}; exec sleep 100", start=False)
    deadline = time.monotonic() + PATIENCE
    while not (rig.folder / "said").exists():
        assert time.monotonic() < deadline
        select.select([rig.handle], [], [], 0.005)
    let_create_end(rig)
    rig.created()
    second = rig.attach()
    rig.say("started")
    assert (client.frame(), second.frame()) == ((0x83, b"out\n"), (0x83, b"out\n"))


def test_a_create_that_fails_after_all_is_an_error_and_sessions_are_told(rig) -> None:
    client = joined(rig, "echo early; echo the reason >&2", status=7)
    client.until(b"early\n")
    wait_for_its_end(rig)
    let_create_end(rig)
    name, records = rig.heard()
    assert (name, records["stage"], records["exit"], records["text"]) == ("error", "create", "7", "the reason")
    out, err, (kind, text) = client.output()
    assert (out, err, kind) == (b"", b"", DROPPED)
    assert b"the reason" in text
    assert rig.client().frame()[0] == 0x82
    rig.say("done")
    rig.gone()
    assert not (rig.folder / "exit").exists()


def test_sessions_are_told_of_a_failed_create_without_an_early_start_too(rig) -> None:
    client = joined(rig, "echo not for you; echo the reason >&2", status=7, start=False)
    let_create_end(rig)
    assert rig.heard()[0] == "error"
    out, err, (kind, _) = client.output()
    assert (out, err, kind) == (b"", b"", DROPPED)


def test_a_process_that_ends_before_create_does(rig) -> None:
    client = joined(rig, "echo quick; echo err >&2; exit 4")
    client.until(b"quick\n")
    wait_for_its_end(rig)
    let_create_end(rig)
    rig.created()
    assert client.output() == (b"", b"err\n", (EXITED, b"\x04"))
    assert rig.exited()["code"] == "4"


def test_a_kernel_that_dies_after_an_early_start_leaves_the_rest_to_the_shim(rig) -> None:
    client = joined(rig, "echo early; read line; exit 5", "stdin=1", "cleanup=touch", f"cleanup={rig.path('cleaned')}")
    client.until(b"early\n")
    rig.control.close()
    let_create_end(rig)
    client.send(STDIN, b"\n")
    assert client.output()[2] == (EXITED, b"\x05")
    rig.gone()
    assert rig.exit_file()["code"] == "5"
    assert (rig.folder / "cleaned").exists()


@pytest.mark.parametrize("start", [True, False])
def test_a_signal_before_there_is_a_process_is_kept(rig, start: bool) -> None:
    rig.configure(["sh", "-c", "while ! test -e \"$0\"; do sleep 0.01; done; exec \"$@\"", rig.path("go"),
                   *rig.runtime("sleep", "100")])
    assert rig.heard_next()[0] == "listening"
    client = rig.attach(FOREGROUND)
    if start:
        rig.say("started")
    client.send(SIGNAL, bytes((signal.SIGTERM,)))
    client.send(SIGNAL, bytes((signal.SIGTERM,)))
    rig.attach(0)  # behind it: so the signal has been heard
    let_create_end(rig)
    rig.created()
    if not start:
        rig.say("started")
    assert client.output()[2] == (EXITED, bytes((128 + signal.SIGTERM,)))


def test_a_terminal_flows_as_soon_as_it_is_there(rig) -> None:
    console = rig.path("console")
    options = ("--console", console, "--until", rig.path("go"), "0")
    rig.configure(rig.runtime("sh", "-c", "stty size; exec sleep 100", options=options), "terminal=1",
                  f"console_socket={console}", "stdin=1", "rows=21", "columns=43")
    assert rig.heard_next()[0] == "listening"
    client = rig.attach(FOREGROUND)
    rig.say("started")
    assert client.until(b"\n") == b"21 43\r\n"
    let_create_end(rig)
    rig.created()
