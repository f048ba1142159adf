"""Health checks in real containers: status, what is shown and told, actions, pauses, and what a bad check cannot do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel import Conman
from conman_kernel.oci.runtime.options import ContainerOptions, HealthCheck
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_entries, image, layer, write_layout

from .conftest import Patient

Make = Callable[..., Patient]
FAST = ("--health-interval", "100ms", "--health-retries", "2")


def test_from_starting_to_healthy_to_unhealthy_and_back(patient: Make) -> None:
    made = patient("test -e /ok && echo fine", *FAST)
    bad = made.until_health("unhealthy")
    assert int(str(bad["FailingStreak"])) >= 2
    made.command.ok("exec", "patient", "touch", "/ok")
    good = made.until_health("healthy")
    assert good["FailingStreak"] == 0 and good["Log"][-1]["Output"] == "fine\n"  # type: ignore[index]
    assert made.state()["Healthcheck"] == made.health() or made.state()["Healthcheck"] is not None
    assert "(healthy)" in made.command.ok("ps", "--format", "{{.Status}}")
    assert made.command.ok("ps", "-q", "--filter", "health=healthy", "--filter", "name=patient") != ""
    assert made.command.ok("ps", "-q", "--filter", "health=unhealthy", "--filter", "name=patient") == ""
    made.command.ok("exec", "patient", "rm", "/ok")
    made.until_health("unhealthy")


def test_a_check_on_demand(patient: Make) -> None:
    made = patient("test -e /ok", "--health-interval", "disable", "--health-retries", "1")
    assert made.health() == {"Status": "starting", "FailingStreak": 0, "Log": []}
    for code, status, words in ((1, "unhealthy", "unhealthy\n"), (0, "healthy", "")):
        done = made.command("healthcheck", "run", "patient")
        assert (done.returncode, done.stdout, made.health()["Status"]) == (code, words, status)
        made.command.ok("exec", "patient", "touch", "/ok")
    made.command.ok("stop", "-t", "0", "patient")
    assert made.health()["Status"] == "healthy"  # as it was when it ended
    done = made.command("healthcheck", "run", "patient")
    assert done.returncode == 125 and "is not running" in done.stderr
    made.command.ok("start", "patient")
    assert made.health()["Status"] == "starting" and made.health()["Log"] == []


def test_where_there_is_no_check(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("plain")
    conman.ok("run", "-d", "--name", "plain", image, "sleep", "1000")
    done = conman("healthcheck", "run", "plain")
    assert done.returncode == 125 and "no defined healthcheck" in done.stderr and len(done.stderr.splitlines()) <= 2
    assert conman("healthcheck", "run", "nobody").returncode == 125
    assert conman.ok("ps", "-q", "--filter", "health=none", "--filter", "name=plain") != ""
    assert conman.inspect("plain")["State"]["Health"] == {"Status": "", "FailingStreak": 0, "Log": None}  # type: ignore[index]


def test_a_check_runs_as_the_container_does(patient: Make) -> None:
    made = patient("echo $HOME $WORD $(id -u) $(pwd) $(cat /proc/1/comm)", "--health-interval", "disable", "--env", "WORD=word",
                   "--user", "12:34", "--workdir", "/tmp", "-t")
    assert made.command("healthcheck", "run", "patient").returncode == 0
    assert made.health()["Log"][0]["Output"] == "/ word 12 /tmp sleep\n"  # type: ignore[index]


def test_words_go_to_no_shell(patient: Make) -> None:
    made = patient('["CMD", "echo", "$HOME", "a  b"]', "--health-interval", "disable")
    assert made.command("healthcheck", "run", "patient").returncode == 0
    assert made.health()["Log"][0]["Output"] == "$HOME a  b\n"  # type: ignore[index]


def test_a_program_that_is_not_there(patient: Make) -> None:
    made = patient('["CMD", "/no/such/program"]', "--health-interval", "disable", "--health-retries", "1")
    assert made.command("healthcheck", "run", "patient").returncode == 1
    found = made.health()["Log"][0]  # type: ignore[index]
    assert found["ExitCode"] != 0 and "no such file" in found["Output"].lower()
    assert made.command.ok("exec", "patient", "echo", "well") == "well\n"


def test_a_check_that_hangs_is_killed_whole(patient: Make) -> None:
    made = patient("sleep 1234 & sleep 1234; echo never", "--health-interval", "100ms", "--health-timeout", "500ms", "--health-retries", "1")
    found = made.until_health("unhealthy")["Log"]
    assert found[0]["ExitCode"] == -1 and "500 ms" in found[0]["Output"]  # type: ignore[index]
    made.command.ok("exec", "patient", "echo", "well")
    made.command.ok("stop", "-t", "0", "patient")


def test_what_a_hanging_check_began_is_gone(patient: Make) -> None:
    made = patient("sleep 1234 & sleep 1234", "--health-interval", "disable", "--health-timeout", "300ms")
    assert made.command("healthcheck", "run", "patient").returncode == 1
    assert "sleep 1234" not in made.command.ok("exec", "patient", "ps")


def test_a_paused_container_is_not_checked(patient: Make) -> None:
    made = patient("true", "--health-interval", "disable")
    if made.command("pause", "patient").returncode != 0:
        pytest.skip("this host's runtime cannot pause here")
    done = made.command("healthcheck", "run", "patient")
    made.command.ok("unpause", "patient")
    assert done.returncode == 125 and "paused" in done.stderr
    assert made.health()["Log"] == []
    assert made.command("healthcheck", "run", "patient").returncode == 0


def test_failures_while_it_begins_do_not_count(patient: Make) -> None:
    made = patient("test -e /ok", "--health-interval", "50ms", "--health-retries", "1", "--health-start-period", "1h")
    state = made.until(lambda state: len(state["Health"]["Log"]) >= 3)  # type: ignore[index]
    assert (state["Health"]["Status"], state["Health"]["FailingStreak"]) == ("starting", 0)  # type: ignore[index]


class TestOnFailure:
    def test_kill_leaves_the_rest_to_the_policy(self, patient: Make) -> None:
        made = patient("test $(wc -l < /runs) -gt 1", *FAST, "--health-on-failure", "kill", "--restart", "on-failure",
                       script="echo run >> /runs; exec sleep 1000")
        made.until_health("healthy")
        assert made.command.inspect("patient")["RestartCount"] == 1

    def test_stop_is_for_good(self, patient: Make) -> None:
        made = patient("false", *FAST, "--health-on-failure", "stop", "--restart", "always", "--stop-timeout", "0")
        made.until(lambda state: state["Status"] == "exited")
        assert made.command.inspect("patient")["RestartCount"] == 0

    def test_restart(self, patient: Make) -> None:
        made = patient("test $(wc -l < /runs) -gt 1", *FAST, "--health-on-failure", "restart", "--stop-timeout", "0",
                       script="echo run >> /runs; exec sleep 1000")
        made.until_health("healthy")
        assert made.command.ok("exec", "patient", "cat", "/runs") == "run\nrun\n"

    def test_none(self, patient: Make) -> None:
        made = patient("false", *FAST, "--health-on-failure", "none")
        made.until_health("unhealthy")
        assert made.state()["Status"] == "running"


def test_events_are_told_of_changes(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("told")
    sinks = {"CONMAN_EVENTS_SINKS": "events-jsonl"}
    conman.ok("run", "-d", "--name", "told", "--health-cmd", "test -e /ok", *FAST, image, "sleep", "1000", stdin=None, **sinks)
    follow = conman.start("events", "--filter", "container=told", "--since", "1h", "--format", "{{.Status}} {{json .Attributes}}",
                          stdin=subprocess.DEVNULL, **sinks)
    assert follow.stdout is not None
    seen: list[str] = []
    for line in follow.stdout:
        if line.startswith(b"health_status"):
            seen.append(line.decode())
            conman.ok("exec", "told", "touch", "/ok")
        if len(seen) == 2:
            break
    follow.kill()
    follow.communicate()
    assert '"unhealthy"' in seen[0] and '"healthy"' in seen[1]


@pytest.fixture
def checked_image(conman: Command, folder: Path) -> str:
    config = {"Cmd": ["sleep", "1000"], "Healthcheck": {"Test": ["CMD-SHELL", "echo own"], "Interval": 100_000_000, "Retries": 7}}
    write_layout(image([layer(busybox_entries())], config=config), str(folder / "layout"))
    return f"oci:{folder}/layout:latest"


def test_the_images_check(conman: Command, checked_image: str, gone: list[str]) -> None:
    before = set(conman.ok("images", "-q", "--no-trunc").split())
    conman.ok("pull", "-q", checked_image)
    (name,) = set(conman.ok("images", "-q", "--no-trunc").split()) - before
    name = name.removeprefix("sha256:")
    try:
        gone += ["own", "over", "off"]
        conman.ok("run", "-d", "--name", "own", name)
        made = Patient(conman, "own")
        assert made.until_health("healthy")["Log"][0]["Output"] == "own\n"  # type: ignore[index]
        shown = conman.inspect("own")["Config"]["Healthcheck"]  # type: ignore[index]
        assert shown == {"Test": ["CMD-SHELL", "echo own"], "Interval": 100_000_000, "Timeout": 30_000_000_000, "StartPeriod": 0, "Retries": 7}
        conman.ok("create", "--name", "over", "--health-cmd", "echo other", "--health-timeout", "1m1.5s", name)
        shown = conman.inspect("over")["Config"]["Healthcheck"]  # type: ignore[index]
        assert (shown["Test"], shown["Timeout"], shown["Retries"]) == (["CMD-SHELL", "echo other"], 61_500_000_000, 7)
        conman.ok("create", "--name", "off", "--no-healthcheck", name)
        assert "Healthcheck" not in conman.inspect("off")["Config"]  # type: ignore[operator]
    finally:
        conman("rm", "-f", "-t", "0", "own", "over", "off")
        conman.ok("rmi", name)


@pytest.mark.parametrize(("options", "words"), [
    (("--health-cmd", "true", "--health-interval", "1x"), 'invalid healthcheck-interval "1x"'),
    (("--health-cmd", "true", "--health-interval", "-3s"), "at least 1ms"),
    (("--health-cmd", "true", "--health-interval", ""), "invalid healthcheck-interval"),
    (("--health-cmd", "true", "--health-timeout", "0"), "healthcheck-timeout must be at least"),
    (("--health-cmd", "true", "--health-retries", "0"), "healthcheck-retries must be greater than 0"),
    (("--health-cmd", "true", "--health-retries", "-1"), "healthcheck-retries must be greater than 0"),
    (("--health-cmd", "true", "--health-retries", "x"), "health-retries"),
    (("--health-cmd", "true", "--health-start-period", "-1s"), "healthcheck-start-period must be 0 seconds or greater"),
    (("--health-cmd", "true", "--no-healthcheck"), "cannot specify both"),
    (("--health-cmd", "true", "--health-on-failure", "bogus"), "bogus"),
    (("--health-on-failure", "kill"), "cannot set on-failure action to kill without a health check"),
    (("--health-cmd", ""), "must define a healthcheck command"),
    (("--health-cmd", "[]"), "must define a healthcheck command"),
    (("--health-cmd", '["CMD"]'), "must define a healthcheck command"),
    (("--health-cmd", "[1, 2]"), "invalid health command"),
])
def test_bad_words(conman: Command, image: str, options: tuple[str, ...], words: str) -> None:
    done = conman("create", *options, image, "true")
    assert done.returncode == 125 and words in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr


def test_from_python(conman: Command, image: str) -> None:
    with Conman(root=conman.root, run_root=conman.run_root) as c:
        made = c.containers.run_detached(image, ContainerOptions(
            command=("sleep", "1000"), health=HealthCheck(test=("CMD-SHELL", "test -e /ok"), interval=0, retries=1)))
        try:
            assert made.healthcheck() is False
            health = made.health
            assert health is not None and (health.status, health.failing_streak) == ("unhealthy", 1)
            made.exec(["touch", "/ok"])
            assert made.healthcheck() is True
            assert made.health is not None and [result.exit_code for result in made.health.log] == [1, 0]
            assert json.dumps(made.inspect())
        finally:
            made.remove(force=True, timeout=0)


def test_wait_for_a_status(patient: Make) -> None:
    made = patient("test -e /ok", *FAST)
    waiting = made.command.start("wait", "--condition", "healthy", "patient")
    assert made.command.ok("wait", "--condition", "unhealthy", "patient") == "-1\n"
    assert waiting.poll() is None
    made.command.ok("exec", "patient", "touch", "/ok")
    assert waiting.communicate(timeout=60)[0] == b"-1\n"
    assert made.health()["Status"] == "healthy"


def test_wait_for_a_status_of_one_without_a_check(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("plain")
    conman.ok("create", "--name", "plain", image, "true")
    done = conman("wait", "--condition", "healthy", "plain")
    assert done.returncode == 125 and "no defined healthcheck" in done.stderr
