"""restart: what runs, what does not, several, and what --rm means for it."""

from __future__ import annotations

import os

import pytest

from conman_kernel.testing.command import Command

SLEEPS = ("sleep", "1000")


def pid(conman: Command, name: str) -> int:
    return int(conman.inspect(name)["State"]["Pid"])


@pytest.fixture
def runs(conman: Command, image: str, gone: list[str]) -> str:
    """A running container's name."""
    gone.append("again")
    conman.ok("run", "-d", "--name", "again", image, *SLEEPS)
    return "again"


def test_a_running_one_is_another_process_afterwards(conman: Command, runs: str) -> None:
    before = pid(conman, runs)
    assert conman.ok("restart", "--time", "0", runs) == f"{runs}\n"
    assert pid(conman, runs) not in (0, before) and not os.path.exists(f"/proc/{before}")


def test_the_stop_signal_is_heard_and_the_log_goes_on(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("polite")
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    conman.ok("run", "-d", "--name", "polite", image, "sh", "-c", script)
    follow = conman.start("logs", "--follow", "polite")
    assert follow.stdout is not None and follow.stdout.readline() == b"up\n"
    conman.ok("restart", "polite")
    follow.kill()
    follow.communicate()
    again = conman.start("logs", "--follow", "polite")
    assert again.stdout is not None and [again.stdout.readline() for _ in range(3)] == [b"up\n", b"bye\n", b"up\n"]
    again.kill()
    again.communicate()


def test_one_that_ended_and_one_that_never_ran_are_started(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["ended", "made"]
    conman.ok("run", "--name", "ended", image, "true")
    conman.ok("create", "--name", "made", image, *SLEEPS)
    assert conman.ok("restart", "ended", "made") == "ended\nmade\n"
    assert pid(conman, "made") > 0 and conman.ok("wait", "ended") == "0\n"


def test_running_and_all(conman: Command, image: str, runs: str, gone: list[str]) -> None:
    gone.append("made")
    before = pid(conman, runs)
    made = conman.ok("create", "--name", "made", image, *SLEEPS).strip()
    whole = conman.ok("ps", "-q", "--no-trunc").strip()
    assert conman.ok("restart", "--running", "--time", "0").split() == [whole]
    assert pid(conman, runs) != before and pid(conman, "made") == 0
    assert sorted(conman.ok("restart", "--all", "--time", "0").split()) == sorted([whole, made])
    assert pid(conman, "made") > 0
    assert conman.ok("restart", "--latest", "--time", "0").split() == [made]


def test_with_rm_it_stays(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("brief")
    conman.ok("run", "-d", "--rm", "--name", "brief", image, *SLEEPS)
    before = pid(conman, "brief")
    conman.ok("restart", "--time", "0", "brief")
    assert pid(conman, "brief") not in (0, before)
    conman.ok("stop", "--time", "0", "brief")
    assert conman.ok("ps", "-aq") == ""


def test_its_events(conman: Command, runs: str) -> None:
    conman.ok("restart", "--time", "0", runs)
    told = conman.ok("events", "--since", "10m", "--stream=false", "--filter", f"container={runs}", "--format", "{{.Status}}")
    assert told.split()[-5:] == ["died", "cleanup", "init", "start", "restart"]


@pytest.mark.parametrize("words, message", [
    ((), "you must provide at least one name or id"), (("--all", "again"), "no arguments are needed with --all"),
    (("nosuch",), 'no container with name or ID "nosuch" found: no such container'),
    (("--time", "-1", "again"), 'invalid argument "-1" for "-t, --time" flag: must not be negative')])
def test_what_is_wrong_is_said_and_nothing_is_done(conman: Command, runs: str, words: tuple[str, ...], message: str) -> None:
    before = pid(conman, runs)
    done = conman("restart", *words)
    assert (done.returncode, done.stderr.splitlines()[0]) == (125, f"Error: {message}")
    assert pid(conman, runs) == before


def test_one_that_cannot_be_started_again_is_stopped(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("broken")
    conman.ok("run", "-d", "--name", "broken", image, *SLEEPS)
    root = conman.ok("mount", "broken").strip()
    os.rename(f"{root}/bin/sleep", f"{root}/bin/slept")
    conman.ok("unmount", "broken")
    done = conman("restart", "--time", "0", "broken")
    assert done.returncode == 125 and "sleep" in done.stderr.splitlines()[0]
    assert conman.ok("ps", "-a", "--format", "{{.Names}} {{.State}}") == "broken exited\n"
