"""pause and unpause, and what other verbs do with a container that is paused."""

from __future__ import annotations

import pytest

from conman_kernel.testing.command import Command

SLEEPS = ("sleep", "1000")


@pytest.fixture
def paused(conman: Command, image: str, gone: list[str]) -> str:
    """A paused container's name."""
    gone.append("still")
    conman.ok("run", "-d", "--name", "still", image, *SLEEPS)
    assert conman.ok("pause", "still") == "still\n"
    return "still"


def state(conman: Command, name: str) -> str:
    return conman.ok("inspect", "--format", "{{.State.Status}}", name).strip()


def test_its_processes_do_not_run_until_it_is_unpaused(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("counts")
    conman.ok("run", "-d", "--name", "counts", image, "sh", "-c", "while :; do echo x; sleep 0.01; done")
    conman.ok("pause", "counts")
    said = conman.ok("logs", "counts")
    assert conman.ok("ps", "-a", "--format", "{{.Names}} {{.State}} {{.Status}}") == "counts paused Paused\n"
    found = conman.inspect("counts")["State"]
    assert (found["Status"], found["Paused"], found["Running"]) == ("paused", True, False)
    assert conman.ok("logs", "counts") == said
    conman.ok("unpause", "counts")
    follow = conman.start("logs", "--follow", "--tail", "0", "counts")
    assert follow.stdout is not None and follow.stdout.readline() == b"x\n"
    follow.kill()
    follow.communicate()


@pytest.mark.parametrize("words, code, message", [
    (("pause", "still"), 125, "is already paused: container state improper"),
    (("exec", "still", "true"), 255, "can only create exec sessions on running containers"),
    (("stop", "still"), 125, "is in state paused: container state improper"),
    (("start", "still"), 125, "it is paused: container state improper"),
    (("restart", "still"), 125, "unable to restart a container in a paused or unknown state: container state improper"),
    (("rm", "still"), 2, "as it is paused - running or paused containers cannot be removed without force")])
def test_what_a_paused_one_does_not_do(conman: Command, paused: str, words: tuple[str, ...], code: int, message: str) -> None:
    done = conman(*words)
    assert done.returncode == code and message in done.stderr.splitlines()[0]
    assert state(conman, paused) == "paused"


def test_kill_ends_it(conman: Command, paused: str) -> None:
    assert conman.ok("kill", paused) == f"{paused}\n"
    assert conman.ok("wait", paused) == "137\n"


def test_a_signal_is_heard_once_it_runs_on(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("hears")
    conman.ok("run", "-d", "--name", "hears", image, "sh", "-c", "trap 'exit 7' USR1; while :; do sleep 0.05; done")
    conman.ok("pause", "hears")
    conman.ok("kill", "-s", "USR1", "hears")
    assert state(conman, "hears") == "paused"
    conman.ok("unpause", "hears")
    assert conman.ok("wait", "hears") == "7\n"


def test_rm_force_ends_it(conman: Command, paused: str) -> None:
    assert conman.ok("rm", "--force", paused) == f"{paused}\n"


def test_all_of_them(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["one", "two", "ended"]
    ids = [conman.ok("run", "-d", "--name", name, image, *SLEEPS).strip() for name in ("one", "two")]
    conman.ok("run", "--name", "ended", image, "true")
    assert sorted(conman.ok("pause", "--all").split()) == sorted(ids)
    assert conman.ok("pause", "--all") == ""
    assert [state(conman, name) for name in ("one", "two", "ended")] == ["paused", "paused", "exited"]
    assert sorted(conman.ok("unpause", "--all").split()) == sorted(ids)
    assert [state(conman, name) for name in ("one", "two")] == ["running", "running"]


def test_what_does_not_run_cannot_be_paused(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["made", "runs"]
    conman.ok("create", "--name", "made", image, "true")
    conman.ok("run", "-d", "--name", "runs", image, *SLEEPS)
    done = conman("pause", "made", "runs")
    assert (done.returncode, done.stdout) == (125, "runs\n")
    assert done.stderr.splitlines()[0] == 'Error: "created" is not running, can\'t pause: container state improper'
    assert "is not paused, can't unpause" in conman("unpause", "made").stderr
    assert conman("pause", "nosuch").stderr == 'Error: no container with name or ID "nosuch" found: no such container\n'

