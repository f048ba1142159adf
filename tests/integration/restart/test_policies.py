"""What each policy does after each end, and what a person's wish does to it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from conman_kernel import Conman
from conman_kernel.processes import open_pidfd, start_time
from conman_kernel.testing.aftermath import wait_gone
from conman_kernel.testing.command import Command

from .conftest import Loops

COUNT = 'echo run >> /runs; echo run; [ $(wc -l < /runs) = {n} ] && exit 0; exit {code}'


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_a_crash_is_followed_by_another_run(loop: Loops, policy: str) -> None:
    made = loop(policy)
    assert made.line() == "run"
    for count in (1, 2):
        made.crash()
        assert made.line() == "run"  # the same `logs --follow`
        assert made.state()["Restarts"] == count
    assert made.state()["Status"] == "running"


def test_on_failure_ends_with_success(loop: Loops) -> None:
    made = loop("on-failure", COUNT.format(n=3, code=4))
    assert [made.line() for _ in range(4)] == ["run", "run", "run", ""]
    state = made.state()
    assert (state["Status"], state["ExitCode"], state["Restarts"], state["Restarting"]) == ("exited", 0, 2, False)


def test_on_failure_gives_up(loop: Loops) -> None:
    made = loop("on-failure:2", "echo run; exit 7")
    assert [made.line() for _ in range(4)] == ["run", "run", "run", ""]
    state = made.state()
    assert (state["Status"], state["ExitCode"], state["Restarts"]) == ("exited", 7, 2)


def test_always_goes_on_after_success(loop: Loops) -> None:
    made = loop("always", "echo run; exit 0")
    assert [made.line() for _ in range(4)] == ["run"] * 4


def test_no_policy_does_nothing(loop: Loops) -> None:
    made = loop("no", "echo run; exit 7")
    assert [made.line(), made.line()] == ["run", ""]
    assert made.state()["Status"] == "exited"


def test_the_back_off_doubles(loop: Loops) -> None:
    made = loop("always", "echo run; exit 1")
    seen = []
    for _ in range(4):
        assert made.line() == "run"
        seen.append(made.column("backoff"))
    assert [100 * 2 ** n for n in range(4)][:3] == seen[1:4]


@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
@pytest.mark.parametrize("verb", [("stop",), ("stop", "-t", "0"), ("kill",), ("kill", "-s", "TERM")], ids=" ".join)
def test_a_persons_end_is_for_good(loop: Loops, policy: str, verb: tuple[str, ...]) -> None:
    made = loop(policy, "trap 'exit 9' TERM; echo run; while :; do sleep 0.02; done")
    assert made.line() == "run"
    made.command.ok(*verb, "loop")
    assert made.line() == ""
    assert made.state()["Status"] == "exited" and made.state()["Restarts"] == 0


def test_a_signal_to_reload_is_no_end(loop: Loops) -> None:
    made = loop("on-failure", "trap 'echo reloaded' HUP; echo run; while :; do sleep 0.02; done")
    assert made.line() == "run"
    made.command.ok("kill", "-s", "HUP", "loop")
    assert made.line() == "reloaded"
    made.crash()
    assert made.line() == "run"


def test_a_start_gives_the_policy_back(loop: Loops) -> None:
    made = loop("always")
    assert made.line() == "run"
    made.crash()
    assert made.line() == "run"
    made.command.ok("stop", "-t", "0", "loop")
    made.command.ok("start", "loop")
    assert made.state()["Restarts"] == 0
    made.crash()
    follow = made.command.start("logs", "--follow", "loop")
    assert follow.stdout is not None
    assert [follow.stdout.readline() for _ in range(4)] == [b"run\n"] * 4
    follow.kill()
    follow.communicate()


class TestWhileItIsWaitedFor:
    def test_it_is_shown(self, loop: Loops) -> None:
        made = loop("always")
        made.crash_and_wait()
        show = made.command.ok("ps", "--format", "{{.Names}} {{.State}} {{.Status}} {{.Restarts}}")
        assert show.startswith("loop restarting Restarting (137) ") and show.endswith(" 0\n")
        assert made.command.ok("ps", "-q", "--filter", "status=restarting") != ""
        assert made.state()["Restarting"] is True and made.state()["Pid"] == 0

    @pytest.mark.parametrize("verb", ["stop", "kill"])
    def test_a_persons_end_takes_it_back(self, loop: Loops, verb: str) -> None:
        made = loop("always")
        assert made.line() == "run"
        waiter = made.crash_and_wait()
        made.command.ok(verb, "loop")
        assert made.line() == ""
        assert made.state()["Status"] == "exited" and made.state()["ExitCode"] == 137
        assert wait_gone({waiter}, 20)

    def test_rm_is_refused_and_rm_force_is_not(self, loop: Loops) -> None:
        made = loop("always")
        waiter = made.crash_and_wait()
        done = made.command("rm", "loop")
        assert done.returncode == 2 and "restarting" in done.stderr
        made.command.ok("rm", "-f", "loop")
        assert wait_gone({waiter}, 20)

    def test_a_start_does_not_wait(self, loop: Loops) -> None:
        made = loop("always")
        assert made.line() == "run"
        waiter = made.crash_and_wait()
        made.command.ok("start", "loop")
        assert made.state()["Status"] == "running" and made.state()["Restarts"] == 0
        assert wait_gone({waiter}, 20)

    @pytest.mark.parametrize("verb, code", [(("exec", "loop", "true"), 255), (("attach", "loop"), 125)], ids=str)
    def test_what_needs_a_process_is_refused(self, loop: Loops, verb: tuple[str, ...], code: int) -> None:
        made = loop("always")
        made.crash_and_wait()
        done = made.command(*verb)
        assert done.returncode == code and len(done.stderr.splitlines()) <= 2

    def test_prune_leaves_it_alone(self, loop: Loops) -> None:
        made = loop("always")
        made.crash_and_wait()
        made.command.ok("container", "prune", "-f")
        assert made.state()["Status"] == "restarting"

    def test_a_killed_waiter_is_replaced_by_the_next_command(self, loop: Loops) -> None:
        made = loop("always")
        assert made.line() == "run"
        first = made.crash_and_wait()
        os.kill(first, signal.SIGKILL)
        assert wait_gone({first}, 20)
        assert made.command.ok("ps", "--format", "{{.State}}") == "restarting\n"
        assert made.column("shim_pid") not in (0, first)

    def test_who_waits_replaces_a_killed_waiter_and_hears_of_the_next_end(self, loop: Loops) -> None:
        made = loop("always")
        first = made.crash_and_wait()
        waiting = made.command.start("wait", "loop")
        os.kill(first, signal.SIGKILL)
        end = time.monotonic() + 30
        while made.column("shim_pid") in (0, first):
            assert waiting.poll() is None and time.monotonic() < end
        made.command.ok("start", "loop")
        made.command.ok("stop", "-t", "0", "loop")
        assert waiting.communicate(timeout=60)[0] == b"137\n"


def test_wait_answers_at_each_end(loop: Loops) -> None:
    made = loop("always", "echo run >> /runs; echo run; trap 'exit $(wc -l < /runs)' USR1; while :; do sleep 0.02; done")
    for code in (1, 2):
        assert made.line() == "run"
        waiting = made.command.start("wait", "loop")
        assert waiting.stdout is not None
        pid = made.state()["Pid"]
        made.command.ok("kill", "-s", "USR1", "loop")
        assert waiting.communicate(timeout=60)[0] == b"%d\n" % code
        assert made.state()["Pid"] != pid


def test_a_lost_shim_is_a_failure(loop: Loops) -> None:
    made = loop("on-failure")
    assert made.line() == "run"
    shim = made.column("shim_pid")
    assert isinstance(shim, int)
    pidfd = open_pidfd(shim, start_time(shim))
    os.kill(shim, signal.SIGKILL)
    assert wait_gone({shim}, 20)
    os.close(pidfd)
    shown = made.command("ps", "--format", "{{.State}}")  # it kills what is left, and leaves a waiter
    assert (shown.returncode, shown.stderr) == (0, "")
    follow = made.command.start("logs", "--follow", "loop")
    assert follow.stdout is not None
    assert [follow.stdout.readline(), follow.stdout.readline()] == [b"run\n", b"run\n"]
    follow.kill()
    follow.communicate()
    assert made.state()["Restarts"] == 1


def test_a_foreground_run_answers_with_its_own_end(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("fore")
    done = conman("run", "--name", "fore", "--restart", "on-failure:1", image, "sh", "-c",
                  "echo run >> /runs; cat /runs; exit $(wc -l < /runs)")
    assert (done.returncode, done.stdout) == (1, "run\n")
    follow = conman.start("logs", "--follow", "fore")
    assert follow.communicate(timeout=60)[0] == b"run\nrun\nrun\n"
    state = conman.inspect("fore")
    assert (state["RestartCount"], state["State"]["ExitCode"]) == (1, 2)


def test_a_signal_through_a_foreground_run_is_a_persons(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("fore")
    process = conman.start("run", "--name", "fore", "--restart", "always", image, "sh", "-c",
                           "trap 'exit 3' TERM; echo up; while :; do sleep 0.02; done")
    assert process.stdout is not None and process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 3
    assert conman.inspect("fore")["State"]["Status"] == "exited"


def test_one_that_cannot_be_started_again_stays_down_and_says_why(loop: Loops, folder: Path) -> None:
    made = loop("always", "echo run; rm -f /bin/*; exit 1")
    assert [made.line(), made.line()] == ["run", ""]
    state = made.state()
    assert state["Status"] == "exited" and "not found" in str(state["Error"])


def test_a_first_start_that_fails_is_the_commands_error(conman: Command, image: str) -> None:
    done = conman("run", "-d", "--name", "never", "--restart", "always", image, "/no/such/program")
    assert done.returncode == 127 and len(done.stderr.splitlines()) <= 2
    assert conman("inspect", "never").returncode == 125


def test_exec_sessions_end_with_their_run(loop: Loops) -> None:
    made = loop("always")
    assert made.line() == "run"
    process = made.command.start("exec", "loop", "sleep", "1000")
    while not made.command.inspect("loop")["ExecIDs"]:
        continue
    made.crash()
    assert made.line() == "run"
    process.communicate(timeout=60)
    assert process.returncode == 137
    assert made.command.ok("exec", "loop", "echo", "in").strip() == "in"


@pytest.mark.parametrize(("policy", "words"), [
    ("bogus", '"bogus" is not a valid restart policy'), ("on-failure:x", "retry count as a number greater than 0"),
    ("on-failure:-1", "greater than 0"), ("on-failure:0", "greater than 0"), ("always:3", "only be specified with on-failure"),
    ("", "not a valid restart policy")])
def test_bad_policies(conman: Command, image: str, policy: str, words: str) -> None:
    for verb in ("run", "create"):
        done = conman(verb, "--restart", policy, image, "true")
        assert done.returncode == 125 and words in done.stderr and len(done.stderr.splitlines()) <= 2


def test_rm_and_a_policy_contradict_each_other(conman: Command, image: str) -> None:
    done = conman("run", "--rm", "--restart", "always", image, "true")
    assert done.returncode == 125 and "--rm option conflicts with --restart" in done.stderr
    assert conman.ok("run", "--rm", "--restart", "no", image, "echo", "well") == "well\n"


def test_everybody_at_once(loop: Loops) -> None:
    """start, stop, kill and rm against one that ends at once again and again: every answer is one line, and nothing is left."""
    made = loop("always", "echo run; exit 1")
    assert made.line() == "run"
    for turn in range(6):
        verbs = (("stop", "-t", "0"), ("start",), ("kill",), ("start",), ("restart", "-t", "0"), ("stop", "-t", "0"))
        processes = [made.command.start(*verb, "loop") for verb in verbs if turn % 2 or verb[0] != "restart"]
        for process in processes:
            _, err = process.communicate(timeout=60)
            assert b"Traceback" not in err and len(err.splitlines()) <= 2, err
    made.command.ok("stop", "-t", "0", "loop")
    assert made.state()["Status"] in ("exited",)
    made.command.ok("rm", "loop")
    assert subprocess.run(["pgrep", "-f", made.id], capture_output=True, text=True).stdout == ""


def test_a_killed_clean_up_command_is_made_up_for(loop: Loops) -> None:
    made = loop("always")
    assert made.line() == "run"
    made.patient()
    shim = made.column("shim_pid")
    number = made.column("num")
    assert isinstance(shim, int) and isinstance(number, int)
    pid = made.state()["Pid"]
    assert isinstance(pid, int) and pid > 1
    with Conman(root=made.command.root, run_root=made.command.run_root) as conman, \
            conman.containers.context.locks.acquire(number):  # the clean-up command waits for it
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 60
        while b"conman_kernel.cleanup" not in Path(f"/proc/{shim}/cmdline").read_bytes():
            assert time.monotonic() < end
        os.kill(shim, signal.SIGKILL)
        assert wait_gone({shim}, 20)
    assert made.command.ok("ps", "--format", "{{.State}}") == "restarting\n"


def test_a_restart_that_was_killed_half_way_is_begun_anew(loop: Loops) -> None:
    made = loop("always")
    assert made.line() == "run"
    waiter = made.crash_and_wait()
    os.kill(waiter, signal.SIGKILL)
    assert wait_gone({waiter}, 20)
    # What a clean-up command leaves that was killed while the runtime had yet to create.
    with closing(sqlite3.connect(made.command.root + "/index.db")) as connection, connection:
        connection.execute("UPDATE containers SET state = 'starting', owner_pid = ?, owner_start = 1, backoff = 100", (waiter,))
    assert made.command.ok("ps", "--format", "{{.State}}") == "restarting\n"
    made.command.ok("wait", "--condition", "running", "loop")
    assert made.state()["Restarts"] == 1


def test_another_policy_while_it_runs_and_while_it_is_waited_for(loop: Loops) -> None:
    made = loop("no")
    assert made.line() == "run"
    made.command.ok("update", "--restart", "on-failure:1", "loop")
    waiter = made.crash_and_wait()
    assert made.command("update", "--restart", "sometimes", "loop").returncode == 125
    made.command.ok("update", "--restart", "no", "loop")
    assert made.state()["Status"] == "exited"
    assert wait_gone({waiter}, 20)
