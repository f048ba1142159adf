"""Clients that go without a word, never read, or were never needed: the container and the other sessions never notice."""

from __future__ import annotations

import os
import select
import signal
import subprocess

import pytest

from conman_kernel import Conman, ContainerOptions
from conman_kernel.cancel import Cancel
from conman_kernel.slots.attach import End, Outcome, Output
from conman_kernel.testing.command import Command

from . import facts

IDLE = 0.03
"""The share of a processor below which a process counts as idle: a few ticks in a second."""


def records(stream: object, count: int) -> None:
    """Read some lines."""
    for _ in range(count):
        assert stream.readline() == b"on and on\n"  # type: ignore[attr-defined]


ON_AND_ON = ("sh", "-c", "trap 'exit 9' TERM; while :; do echo on and on || exit; done")


def test_a_run_killed_in_the_middle_leaves_its_container_running(conman: Command, image: str, gone: list[str],
                                                                 begin: facts.Begin) -> None:
    """Its pipes, which the shim may hold, are let go at once: whoever reads or feeds them hears of it."""
    gone.append("orphan")
    run = begin("run", "-i", "--name", "orphan", "--log-driver", "none", image, *ON_AND_ON, stdin=subprocess.PIPE)
    assert run.stdin is not None and run.stdout is not None
    records(run.stdout, 1000)
    run.kill()
    run.wait(facts.PATIENCE)
    while os.read(run.stdout.fileno(), 1 << 20):
        pass  # to its end: nobody holds the writing end any more
    hung_up = select.poll()
    hung_up.register(run.stdin.fileno(), 0)
    assert hung_up.poll(facts.PATIENCE * 1000)[0][1] & select.POLLERR  # and nobody the reading end of its input
    assert facts.state(conman, "orphan")["Running"] is True
    conman.ok("stop", "orphan")
    assert conman.ok("wait", "orphan") == "9\n"


def test_a_run_killed_in_the_middle_leaves_its_container_logging(conman: Command, image: str, gone: list[str],
                                                                 begin: facts.Begin) -> None:
    gone.append("orphan")
    run = begin("run", "--name", "orphan", image, "sh", "-c",
                "mkfifo /go; echo on and on; read x < /go; seq 1 100000; exit 3")
    assert run.stdout is not None
    records(run.stdout, 1)
    run.kill()
    run.wait(facts.PATIENCE)
    conman.ok("exec", "orphan", "sh", "-c", "echo > /go")
    assert conman.ok("wait", "orphan") == "3\n"
    assert conman.raw("logs", "orphan").stdout == b"on and on\n" + b"".join(b"%d\n" % n for n in range(1, 100_001))


def test_input_ends_with_the_run_that_fed_it(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    """As with a pipe whose writer died: ``cat`` ends."""
    gone.append("starved")
    run = begin("run", "-i", "--name", "starved", image, "cat", stdin=subprocess.PIPE)
    assert run.stdin is not None and run.stdout is not None
    run.stdin.write(b"food\n")
    run.stdin.flush()
    assert run.stdout.readline() == b"food\n"
    run.kill()
    run.wait(facts.PATIENCE)
    assert conman.ok("wait", "starved") == "0\n"


def test_an_attach_killed_in_the_middle_is_not_noticed(conman: Command, library: Conman, image: str, gone: list[str],
                                                       begin: facts.Begin) -> None:
    gone.append("calm")
    conman.ok("run", "-d", "-i", "--name", "calm", image, "sh", "-c",
              "while read x && [ $x != last ]; do echo on and on; done; seq 1 100000; exit 4")
    attach = begin("attach", "calm", stdin=subprocess.PIPE)
    assert attach.stdin is not None and attach.stdout is not None
    attach.stdin.write(b"1\n" * 100)
    attach.stdin.flush()
    records(attach.stdout, 50)
    container = library.containers.get("calm")
    with container.session(stdin=True, stdout=False, stderr=False) as session:  # feeds, too: the input outlives the other
        attach.kill()
        attach.wait(facts.PATIENCE)
        session.send(b"last\n")
        assert container.wait(cancel=Cancel(facts.PATIENCE)) == 4
    assert conman.raw("logs", "calm").stdout.endswith(b"\n99999\n100000\n")


def test_an_attach_that_never_reads_is_dropped_and_told_so(conman: Command, image: str, gone: list[str], begin: facts.Begin,
                                                           library: Conman) -> None:
    """While it does not read, the container goes at full speed, and another session gets every byte."""
    gone.append("busy")
    rounds, size = 40, 100_000
    conman.ok("run", "-d", "-i", "--name", "busy", image, "sh", "-c",
              f"while read x; do head -c {size} /dev/zero; done; exit 5")
    shim = facts.shim_of(facts.pid_of(conman, "busy"))
    deaf = begin("attach", "--no-stdin", "busy")
    facts.until(lambda: len(facts.sockets(shim)) > facts.RESTING)
    container = library.containers.get("busy")
    pid, cancel = container.pid, Cancel(facts.PATIENCE)
    with container.session(stdin=True) as other:
        other.send(b"\n")
        for number in range(rounds):
            got = 0
            while got < size:
                item = other.receive()
                assert not isinstance(item, End)
                if isinstance(item, Output):
                    got += len(item.data)
                else:
                    cancel.wait_readable(other.fileno())
            assert got == size
            other.send(b"\n") if number < rounds - 1 else other.close_stdin()
        while not isinstance(item := other.receive(), End):
            cancel.wait_readable(other.fileno())
        assert item.outcome is Outcome.EXITED
    assert facts.ended(pid)
    out, err = deaf.communicate(timeout=facts.PATIENCE)
    assert container.wait(cancel=cancel) == 5
    assert 0 < len(out) < rounds * size
    assert deaf.returncode == 125 and b"dropped" in err, err


@pytest.mark.parametrize("words", ["sleep 1000", "exec >&- 2>&-; sleep 1000"], ids=["open", "closed"])
def test_an_attach_without_stdin_that_leaves_costs_nothing(conman: Command, image: str, gone: list[str], begin: facts.Begin,
                                                           words: str) -> None:
    gone.append("idle")
    conman.ok("run", "-d", "--name", "idle", image, "sh", "-c", f"echo up >&2; {words}")
    pid = facts.pid_of(conman, "idle")
    shim = facts.shim_of(pid)
    attach = begin("attach", "idle", stdin=subprocess.PIPE)
    assert attach.stdin is not None
    attach.stdin.write(b"nobody reads this\n")
    attach.stdin.flush()
    facts.until(lambda: facts.still(shim) and len(facts.sockets(shim)) > facts.RESTING)
    attach.kill()
    attach.wait(facts.PATIENCE)
    facts.until(lambda: len(facts.sockets(shim)) <= facts.RESTING)
    assert facts.used_while_waiting(shim) < IDLE


def test_input_for_a_process_that_has_closed_its_own_costs_nothing(conman: Command, image: str, gone: list[str],
                                                                   library: Conman) -> None:
    gone.append("shut")
    conman.ok("run", "-d", "-i", "--name", "shut", image, "sh", "-c", "exec 0<&-; echo up; exec sleep 1000")
    shim = facts.shim_of(facts.pid_of(conman, "shut"))
    facts.until(lambda: conman.ok("logs", "shut") == "up\n")
    container = library.containers.get("shut")
    with container.session(stdin=True) as session:
        session.send(b"x" * 50_000)
        assert facts.used_while_waiting(shim) < IDLE
    assert facts.used_while_waiting(shim) < IDLE


def test_a_client_that_is_stopped_holds_nobody_up(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    """Ctrl-Z at an ``attach``: what it left is the shim's to drop."""
    gone.append("paced")
    conman.ok("run", "-d", "-i", "--name", "paced", image, "sh", "-c", "read x; head -c 8000000 /dev/zero; exit 6")
    pid = facts.pid_of(conman, "paced")
    attach = begin("attach", "paced", stdin=subprocess.PIPE)
    assert attach.stdin is not None
    attach.stdin.write(b"go\n")
    attach.stdin.flush()
    assert attach.stdout is not None and attach.stdout.read(1)
    attach.send_signal(signal.SIGSTOP)
    assert facts.ended(pid)
    attach.send_signal(signal.SIGCONT)
    attach.communicate(timeout=facts.PATIENCE)
    assert attach.returncode in (6, 125)
    assert conman.ok("wait", "paced") == "6\n"


def test_a_client_that_stays_stopped_does_not_keep_a_wait_for_ever(conman: Command, image: str, gone: list[str],
                                                                   begin: facts.Begin) -> None:
    gone.append("paced")
    conman.ok("run", "-d", "-i", "--name", "paced", image, "sh", "-c", "read x; head -c 8000000 /dev/zero; exit 6")
    attach = begin("attach", "paced", stdin=subprocess.PIPE)
    assert attach.stdin is not None and attach.stdout is not None
    attach.stdin.write(b"go\n")
    attach.stdin.flush()
    assert attach.stdout.read(1)
    attach.send_signal(signal.SIGSTOP)
    assert conman.ok("wait", "paced") == "6\n"


def test_a_connection_without_hello_holds_nobody_up(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("mute")
    conman.ok("run", "-d", "-i", "--name", "mute", image, "sh", "-c", "read x; echo $x; exit 7")
    silent = facts.dial(facts.attach_socket(conman, "mute"))
    done = conman("attach", "mute", stdin=b"word\n")
    assert (done.returncode, done.stdout) == (7, "word\n")
    silent.close()


def test_leaving_with_much_unread_breaks_nothing(library: Conman, conman: Command, image: str, gone: list[str]) -> None:
    gone.append("full")
    made = library.containers.create(image, ContainerOptions(name="full", command=("sh", "-c", "seq 1 20000; exec sleep 1000")))
    for _ in range(3):
        with made.start_session(foreground=False) as session:
            Cancel(facts.PATIENCE).wait_readable(session.fileno())
        with made.session() as again:
            made.refresh().stop(timeout=0)
            while not isinstance(item := again.receive(), End):
                Cancel(facts.PATIENCE).wait_readable(again.fileno())
            assert item.outcome is Outcome.EXITED
