"""The five rules of sessions. Each test fails where its rule is broken: see "Proved by" for the change that was made to see it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from conman_kernel import Conman, ContainerOptions
from conman_kernel.cancel import Cancel
from conman_kernel.slots.attach import End, Outcome, Output
from conman_kernel.testing.command import Command

from . import facts
from .liars import Liar

MUCH = 8_000_000
"""More than pipes, sockets and the queue of a session hold together."""


def everything(session: object, cancel: Cancel) -> tuple[bytes, End]:
    """Both streams of a session, and its end."""
    said = bytearray()
    while True:
        item = session.receive()  # type: ignore[attr-defined]
        if isinstance(item, Output):
            said += item.data
        elif isinstance(item, End):
            return bytes(said), item
        else:
            cancel.wait_readable(session.fileno())  # type: ignore[attr-defined]


# 1. The container never blocks on an attached session.


def test_rule_1_a_session_that_does_not_read_is_dropped_and_told_so(library: Conman, image: str, gone: list[str]) -> None:
    """Proved by a shim that lets every session push back: the container never ends."""
    gone.append("ahead")
    made = library.containers.create(image, ContainerOptions(name="ahead", stdin_open=True, command=(
        "sh", "-c", f"read go; head -c {MUCH} /dev/zero; exit 3")))
    made.start()
    pid = made.refresh().pid
    with made.session(stdin=True) as idle:
        idle.send(b"go\n")
        assert facts.ended(pid)
        said, end = everything(idle, Cancel(facts.PATIENCE))
        assert len(said) < MUCH
        assert end.outcome is Outcome.LOST and "dropped" in end.message
    assert made.wait(cancel=Cancel(facts.PATIENCE)) == 3
    assert sum(len(entry.data) for entry in made.logs()) == MUCH


def test_rule_1_the_foreground_session_of_run_pushes_back(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    """Proved by a shim that grants nobody the foreground: the log runs ahead of the reader, and output is lost."""
    gone.append("held")
    run = begin("run", "--name", "held", image, "sh", "-c", f"echo up; head -c {MUCH} /dev/zero; exit 4")
    assert run.stdout is not None and run.stderr is not None
    assert os.read(run.stdout.fileno(), 3) == b"up\n"
    pid = facts.pid_of(conman, "held")
    log = Path(str(conman.inspect("held")["HostConfig"]["LogConfig"]["Path"]))
    child = facts.until(lambda: Path(f"/proc/{pid}/task/{pid}/children").read_text().split())[0]
    # It holds still with its output in the pipe: asleep, and not a byte further from one look to the next.
    facts.until(lambda: facts.still(int(child)))
    assert log.stat().st_size < MUCH / 2
    length = 0
    while data := os.read(run.stdout.fileno(), 1 << 20):
        length += len(data)
    assert (length, facts.finish(run)) == (MUCH, 4)


# 2. Draining and logging go on with no session.


def test_rule_2_output_is_taken_and_logged_without_a_session(conman: Command, image: str, gone: list[str]) -> None:
    """Proved by a shim that reads only while somebody is attached: the container never ends."""
    gone.append("alone")
    conman.ok("run", "-d", "--name", "alone", image, "sh", "-c", f"head -c {MUCH} /dev/zero; head -c 70000 /dev/zero >&2; exit 5")
    assert conman.ok("wait", "alone") == "5\n"
    logs = conman.raw("logs", "alone")
    assert (len(logs.stdout), len(logs.stderr)) == (MUCH, 70_000)


def test_rule_2_they_go_on_when_the_last_session_leaves(library: Conman, image: str, gone: list[str]) -> None:
    """Proved in the same way."""
    gone.append("left")
    made = library.containers.create(image, ContainerOptions(name="left", stdin_open=True, command=(
        "sh", "-c", f"echo up; read go; head -c {MUCH} /dev/zero; exit 6")))
    session = made.start_session(stdin=True)
    cancel = Cancel(facts.PATIENCE)
    while session.receive() is None:
        cancel.wait_readable(session.fileno())
    session.send(b"go\n")
    session.detach()
    assert made.wait(cancel=cancel) == 6
    assert sum(len(entry.data) for entry in made.logs()) == MUCH + 3


# 3. No replay.


def test_rule_3_a_session_gets_only_what_comes_after_it_joined(library: Conman, image: str, gone: list[str]) -> None:
    """Proved by a shim that keeps its last output and sends it after every welcome."""
    gone.append("past")
    made = library.containers.create(image, ContainerOptions(name="past", stdin_open=True, command=(
        "sh", "-c", "echo before; echo before >&2; while read x; do echo after $x; done")))
    made.start()
    lines = (entry.data for entry in made.logs(follow=True, cancel=Cancel(facts.PATIENCE)))
    assert [next(lines), next(lines)] == [b"before\n", b"before\n"]
    with made.session(stdin=True) as first:
        first.send(b"1\n")
        cancel = Cancel(facts.PATIENCE)
        while (item := first.receive()) is None:
            cancel.wait_readable(first.fileno())
        assert isinstance(item, Output) and item.data == b"after 1\n"
        with made.session(stdin=True) as second:
            second.send(b"2\n")
            second.close_stdin()
            assert everything(second, cancel)[0] == b"after 2\n"
        assert everything(first, cancel)[0] == b"after 2\n"


# 4. "Exited" comes from the exit file only, never from EOF.


def test_rule_4_closed_pipes_say_nothing(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    """Proved by a shim that takes the end of both pipes for the end: `run` returns while the process lives."""
    gone.append("silent")
    run = begin("run", "-i", "--name", "silent", image, "sh", "-c", "exec >&- 2>&-; read x; exit 7", stdin=subprocess.PIPE)
    assert run.stdin is not None
    facts.until(lambda: conman.ok("ps", "-q", "--filter", "name=silent"))
    pid = facts.pid_of(conman, "silent")
    facts.until(lambda: 1 not in facts.open_files(pid))
    assert facts.state(conman, "silent")["Running"] is True
    assert run.poll() is None
    run.stdin.write(b"now\n")
    run.stdin.flush()
    assert facts.finish(run) == 7
    assert facts.state(conman, "silent")["ExitCode"] == 7


@pytest.mark.parametrize("verb", ["run", "attach"])
def test_rule_4_the_exit_file_has_the_last_word(lied_to: Liar, image: str, verb: str) -> None:
    """A shim whose `exited` frame carries another code than its exit file; the command keeps to the file.

    Proved by a kernel that returns the frame's code.
    """
    conman = lied_to("frame")
    if verb == "run":
        assert conman("run", "--name", "told", image, "sh", "-c", "exit 8").returncode == 8
    else:
        conman.ok("run", "-d", "-i", "--name", "told", image, "sh", "-c", "read x; exit 8")
        assert conman("attach", "told", stdin=b"go\n").returncode == 8
    assert conman.ok("wait", "told") == "8\n"
    conman.ok("rm", "told")


# 5. An unexpected disconnect is an error, not a detach.


@pytest.mark.parametrize("verb", ["attach", "run"])
def test_rule_5_a_connection_that_breaks_is_an_error(lied_to: Liar, image: str, verb: str) -> None:
    """A shim that closes a session in the middle, without `exited`, while the process goes on.

    Proved by a kernel that takes the end of a connection for a detach.
    """
    conman = lied_to("close")
    words = ("sh", "-c", "echo up; read x; exit 3")
    if verb == "attach":
        conman.ok("run", "-d", "-i", "--name", "torn", image, *words)
        done = conman("attach", "torn", stdin=b"leave\n")
    else:
        done = conman("run", "-i", "--name", "torn", image, *words, stdin=b"leave\n")
    assert done.returncode == 125 and done.stderr.startswith("Error: ") and "lost" in done.stderr
    assert facts.state(conman, "torn")["Running"] is True
    conman.ok("rm", "-f", "-t", "0", "torn")


@pytest.mark.parametrize("verb", ["attach", "run"])
def test_rule_5_a_shim_that_dies_is_an_error(conman: Command, image: str, gone: list[str], begin: facts.Begin, verb: str) -> None:
    """Proved in the same way."""
    gone.append("bereft")
    if verb == "attach":
        conman.ok("run", "-d", "--name", "bereft", image, "sh", "-c", "while :; do echo on || exit; sleep 0.05; done")
        client = begin("attach", "bereft")
    else:
        client = begin("run", "--name", "bereft", image, "sh", "-c", "while :; do echo on || exit; sleep 0.05; done")
    assert client.stdout is not None and client.stderr is not None
    assert client.stdout.readline() == b"on\n"
    os.kill(facts.shim_of(facts.pid_of(conman, "bereft")), signal.SIGKILL)
    _, err = client.communicate(timeout=facts.PATIENCE)
    assert client.returncode == 125
    assert (err.startswith(b"Error: ") and b"lost" in err) or b"shim is gone" in err


