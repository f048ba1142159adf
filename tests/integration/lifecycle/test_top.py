"""top: podman's descriptors, and the options of the host's ps."""

from __future__ import annotations

import os

import pytest

from conman_kernel.testing.command import Command


@pytest.fixture
def busy(conman: Command, image: str, gone: list[str]) -> str:
    """A container with three processes: a shell that became sleep, its child, and an exec's."""
    gone.append("busy")
    conman.ok("run", "-d", "--name", "busy", image, "sh", "-c", "sleep 998 & exec sleep 999")
    conman.ok("exec", "-d", "--user", "7:8", "busy", "sleep", "997")
    return "busy"


def rows(conman: Command, *words: str) -> list[list[str]]:
    return [line.split() for line in conman.ok("top", *words).splitlines()]


def test_the_usual_columns(conman: Command, busy: str) -> None:
    head, *found = rows(conman, busy)
    assert head == ["USER", "PID", "PPID", "%CPU", "ELAPSED", "TTY", "TIME", "COMMAND"]
    assert [row[-1] for row in found if row[0] == "root"] == ["999", "998"]
    assert [(row[0], row[2], row[-2:]) for row in found if row[-1] == "997"] == [("7", "0", ["sleep", "997"])]
    assert {row[-1]: row[2] for row in found}["998"] == "1" and found[0][1] == "1"


def test_descriptors(conman: Command, busy: str) -> None:
    head, first, *_ = rows(conman, busy, "pid,args", "%U", "hpid", "group", "seccomp", "state", "nice", "comm")
    assert head == ["PID", "COMMAND", "USER", "HPID", "GROUP", "SECCOMP", "STATE", "NI", "COMMAND"]
    host = str(conman.inspect(busy)["State"]["Pid"])
    assert first == ["1", "sleep", "999", "root", host, "root", "filter", "S", "0", "sleep"] or first[4] == host
    assert rows(conman, busy, "capeff")[1][0].startswith("CHOWN,DAC_OVERRIDE,")
    assert rows(conman, "--latest", "pid")[:2] == [["PID"], ["1"]]


@pytest.mark.parametrize("words, head", [
    (("-ef",), "UID PID PPID C STIME TTY TIME CMD"), (("aux",), "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND"),
    (("-eo", "comm"), "COMMAND"), (("axo", "pid,comm"), "PID COMMAND")])
def test_options_of_ps(conman: Command, busy: str, words: tuple[str, ...], head: str) -> None:
    first, *found = rows(conman, busy, *words)
    assert first == head.split() and len(found) == 3
    if "PID" in first:
        assert found[0][first.index("PID")] == "1"
    assert str(os.getpid()) not in {row[0] for row in found}


def test_nothing_runs_inside_for_it(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("tight")
    conman.ok("run", "-d", "--name", "tight", "--pids-limit", "1", image, "sleep", "1000")
    assert len(rows(conman, "tight")) == 2 and len(rows(conman, "tight", "-ef")) == 2


@pytest.mark.parametrize("words, message", [
    ((), "you must provide the name or id of a running container"), (("nosuch",), 'no container with name or ID "nosuch" found'),
    (("busy", "bogus"), "unknown descriptor 'bogus', and ps does not take it: "), (("busy", "-Q"), "unknown descriptor '-Q', and ps")])
def test_what_is_wrong_is_one_line(conman: Command, busy: str, words: tuple[str, ...], message: str) -> None:
    done = conman("top", *words)
    assert done.returncode == 125 and done.stdout == ""
    assert done.stderr.startswith(f"Error: {message}") and len(done.stderr.splitlines()) <= 2


def test_one_that_does_not_run(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("made")
    conman.ok("create", "--name", "made", image, "true")
    assert conman("top", "made").stderr == "Error: top can only be used on running containers\nHint: conman start made\n"
