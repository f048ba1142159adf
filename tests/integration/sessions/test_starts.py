"""Many at once, sizes of terminals at every point of a life, and a follower that a rotation overtakes."""

from __future__ import annotations

import signal
import subprocess

import pytest

from conman_kernel import Conman, ContainerOptions, ExecOptions
from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidState
from conman_kernel.slots.attach import End, Output
from conman_kernel.testing.command import Command

from . import facts


@pytest.mark.parametrize("count", [pytest.param(12, id="12"), pytest.param(50, id="50", marks=pytest.mark.stress)])
def test_many_started_and_attached_at_once(image: str, begin: facts.Begin, count: int) -> None:
    """Each gets its own input and nobody else's, and its own exit code."""
    runs = [begin("run", "--rm", "-i", image, "sh", "-c", f"echo {n}; echo err {n} >&2; cat; exit {n}", stdin=subprocess.PIPE)
            for n in range(count)]
    for n, run in enumerate(runs):
        out, err = run.communicate(b"input %d\n" % n, timeout=120)
        assert (run.returncode, out, err) == (n, b"%d\ninput %d\n" % (n, n), b"err %d\n" % n)


@pytest.mark.parametrize("count", [pytest.param(6, id="6"), pytest.param(30, id="30", marks=pytest.mark.stress)])
def test_many_attached_to_one_at_once(conman: Command, image: str, gone: list[str], begin: facts.Begin, count: int) -> None:
    """All see the same, and all hear the end."""
    gone.append("stage")
    conman.ok("run", "-d", "-i", "--name", "stage", image, "sh", "-c", "read x; seq 1 20000; exit 4")
    shim = facts.shim_of(facts.pid_of(conman, "stage"))
    watchers = [begin("attach", "--no-stdin", "stage") for _ in range(count)]
    facts.until(lambda: len(facts.sockets(shim)) >= facts.RESTING + count, 60)
    assert conman("attach", "stage", stdin=b"go\n").returncode == 4
    numbers = b"".join(b"%d\n" % n for n in range(1, 20_001))
    for watcher in watchers:
        out, err = watcher.communicate(timeout=60)
        assert (watcher.returncode, out, err) == (4, numbers, b"")


# Sizes.

WATCH = ("sh", "-c", 'while :; do new=$(stty size) || exit; [ "$new" = "$old" ] || echo $new; old=$new; sleep 0.01; done')


def until_said(session: object, text: bytes) -> bytes:
    """Read until a text has come."""
    cancel, said = Cancel(facts.PATIENCE), b""
    while text not in said:
        item = session.receive()  # type: ignore[attr-defined]
        assert not isinstance(item, End), item
        if isinstance(item, Output):
            said += item.data
        else:
            cancel.wait_readable(session.fileno())  # type: ignore[attr-defined]
    return said


def test_a_size_before_during_and_after_the_start(library: Conman, image: str, gone: list[str]) -> None:
    gone.append("sized")
    made = library.containers.create(image, ContainerOptions(name="sized", terminal=True, stdin_open=True, command=WATCH))
    with pytest.raises(InvalidState):
        made.resize(rows=5, columns=5)
    with made.start_session(stdin=True, size=(33, 99)) as session:
        assert until_said(session, b"\r\n") == b"33 99\r\n"  # there before its first instruction
        session.resize(rows=20, columns=70)
        until_said(session, b"20 70\r\n")
        made.resize(rows=21, columns=71)
        until_said(session, b"21 71\r\n")
        with made.refresh().session(stdin=False, stdout=False, stderr=False) as other:
            other.resize(rows=22, columns=72)
            until_said(session, b"22 72\r\n")
    made.stop(timeout=0)
    with pytest.raises(InvalidState):
        made.resize(rows=6, columns=6)


def test_a_size_where_there_is_no_terminal(library: Conman, image: str, gone: list[str]) -> None:
    gone.append("plain")
    made = library.containers.create(image, ContainerOptions(name="plain", command=("sleep", "1000")))
    made.start()
    with pytest.raises(InvalidState, match="terminal"):
        made.refresh().resize(rows=5, columns=5)
    with made.session() as session:
        session.resize(rows=5, columns=5)  # nothing happens
        assert session.receive() is None


def test_a_size_before_during_and_after_the_start_of_an_exec(library: Conman, conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    made = library.containers.get("host").create_exec(ExecOptions(command=WATCH, terminal=True, stdin_open=True))
    with made.start_session(stdin=True, size=(31, 97)) as session:
        assert until_said(session, b"\r\n") == b"31 97\r\n"
        session.resize(rows=20, columns=70)
        until_said(session, b"20 70\r\n")
        made.resize(rows=21, columns=71)
        until_said(session, b"21 71\r\n")
    made.kill(signal.SIGKILL)
    assert made.wait(cancel=Cancel(facts.PATIENCE)) == 137


# Rotation.


def test_a_follower_that_a_rotation_overtakes_is_told_how_much_it_missed(conman: Command, image: str, gone: list[str],
                                                                         begin: facts.Begin, library: Conman) -> None:
    gone.append("turning")
    conman.ok("run", "-d", "-i", "--name", "turning", "--log-opt", "max-size=100k", "--log-opt", "max-file=2", image, "sh", "-c",
              "echo first; read x; seq 1 200000; echo last")
    follow = begin("logs", "-f", "turning")
    assert follow.stdout is not None and follow.stdout.readline() == b"first\n"
    follow.send_signal(signal.SIGSTOP)
    container = library.containers.get("turning")
    with container.session(stdin=True, stdout=False, stderr=False) as session:
        session.send(b"go\n")
    assert conman.ok("wait", "turning") == "0\n"
    follow.send_signal(signal.SIGCONT)
    out, err = follow.communicate(timeout=60)
    assert out.endswith(b"\n200000\nlast\n")
    total = len(b"".join(b"%d\n" % n for n in range(1, 200_001)) + b"last\n")
    missed = int(next(word for word in err.split() if word.isdigit()))
    # What is missed is counted in the log, where every line has 40 bytes before it, and some are cut in two.
    lines, text = 200_001 - out.count(b"\n"), total - len(out)
    assert lines > 100_000 and 40 * lines <= missed - text <= 42 * lines
