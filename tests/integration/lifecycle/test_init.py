"""init: created at the runtime, not started; and what other verbs do with that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conman_kernel.testing.command import Command


@pytest.fixture
def ready(conman: Command, image: str, gone: list[str]) -> str:
    """The name of an initialized container, which would say ``hi`` and end with 3."""
    gone.append("ready")
    conman.ok("create", "--name", "ready", "-i", image, "sh", "-c", "echo hi; cat; echo err >&2; exit 3")
    assert conman.ok("init", "ready") == "ready\n"
    return "ready"


def state(conman: Command, name: str) -> str:
    return conman.ok("inspect", "--format", "{{.State.Status}}", name).strip()


def test_everything_is_there_and_nothing_runs(conman: Command, ready: str) -> None:
    found = conman.inspect(ready)
    assert found["State"]["Status"] == "initialized" and found["State"]["Pid"] > 0 and not found["State"]["Running"]
    assert conman.ok("ps", "-a", "--format", "{{.Names}} {{.Status}}") == "ready Initialized\n"
    assert conman.ok("ps", "-q") == ""
    assert json.loads(Path(str(found["OCIConfigPath"])).read_text())["process"]["args"][0] == "sh"
    assert Path(found["GraphDriver"]["Data"]["MergedDir"], "bin/sh").exists()
    assert conman.ok("logs", ready) == ""


def test_start_goes_on(conman: Command, ready: str) -> None:
    pid = conman.inspect(ready)["State"]["Pid"]
    conman.ok("start", ready)
    assert conman.inspect(ready)["State"]["Pid"] in (pid, 0)
    assert conman("attach", ready, stdin=b"").returncode in (3, 125)
    conman("kill", ready)
    assert conman.ok("logs", ready).startswith("hi\n")


def test_attached_it_misses_nothing(conman: Command, ready: str) -> None:
    done = conman("start", "-a", "-i", ready, stdin=b"words\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "hi\nwords\n", "err\n")
    assert state(conman, ready) == "exited"


@pytest.mark.parametrize("words, code, message", [
    (("init", "ready"), 125, "has already been created in runtime: container state improper"),
    (("exec", "ready", "true"), 255, "can only create exec sessions on running containers"),
    (("pause", "ready"), 125, '"initialized" is not running, can\'t pause'),
    (("kill", "ready"), 125, "is in state initialized")])
def test_what_it_does_not_do(conman: Command, ready: str, words: tuple[str, ...], code: int, message: str) -> None:
    done = conman(*words)
    assert done.returncode == code and message in done.stderr.splitlines()[0]
    assert state(conman, ready) == "initialized"


def test_stop_ends_it_and_it_can_be_initialized_again(conman: Command, ready: str) -> None:
    conman.ok("stop", ready)
    assert (state(conman, ready), conman.ok("wait", ready)) == ("exited", "137\n")
    conman.ok("init", ready)
    conman.ok("restart", ready)
    conman.ok("kill", ready)
    conman.ok("wait", ready)


def test_rm_needs_no_force(conman: Command, ready: str) -> None:
    assert conman.ok("rm", ready) == f"{ready}\n"


def test_a_terminal_gets_its_size_when_somebody_comes(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("tty")
    conman.ok("create", "-t", "--name", "tty", image, "echo", "on a terminal")
    conman.ok("init", "tty")
    done = conman("start", "-a", "tty")
    assert (done.returncode, done.stdout) == (0, "on a terminal\r\n")


def test_all_that_do_not_run(conman: Command, image: str, gone: list[str]) -> None:
    gone += ["one", "two", "three"]
    conman.ok("run", "-d", "--name", "one", image, "sleep", "1000")
    ids = [conman.ok("create", "--name", name, image, "sleep", "1000").strip() for name in ("two", "three")]
    assert sorted(conman.ok("init", "--all").split()) == sorted(ids)


def test_what_cannot_be_created_is_as_before(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("no")
    conman.ok("create", "--name", "no", image, "/no/such")
    done = conman("init", "no")
    assert done.returncode == 125 and "/no/such" in done.stderr and len(done.stderr.splitlines()) <= 2
    assert state(conman, "no") == "created"
