"""How processes end: exit codes, signals, strays, closed pipes; and what becomes of a container whose shim is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from conman_kernel import Conman
from conman_kernel.cancel import Cancel
from conman_kernel.errors import ShimLost
from conman_kernel.testing.command import Command

from . import facts

IDLE = 0.03


@pytest.mark.parametrize("code", [0, 1, 126, 127, 137, 143, 255])
def test_exit_codes(conman: Command, image: str, gone: list[str], code: int) -> None:
    gone.append("coded")
    assert conman("run", "--name", "coded", image, "sh", "-c", f"exit {code}").returncode == code
    assert conman.ok("wait", "coded") == f"{code}\n"
    assert facts.state(conman, "coded")["ExitCode"] == code
    assert conman("start", "-a", "coded").returncode == code


def test_exit_codes_of_an_exec(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    for code in (0, 1, 126, 127, 137, 143, 255):
        assert conman("exec", "host", "sh", "-c", f"exit {code}").returncode == code
    for name in ("TERM", "KILL", "HUP"):
        done = conman("exec", "host", "sh", "-c", f"kill -{name} $$")
        assert done.returncode == 128 + getattr(signal, f"SIG{name}")


@pytest.mark.parametrize("command, code", [("no-such-program", 127), ("/etc", 126), ("/etc/passwd", 126)])
def test_what_cannot_be_started(conman: Command, image: str, command: str, code: int) -> None:
    done = conman("run", "--rm", image, command)
    assert done.returncode == code and done.stderr.startswith("Error: ")


@pytest.mark.parametrize("word", ["9", "KILL", "SIGKILL", "kill", "15", "TERM", "sigterm", "1", "HUP", "10", "USR1", "34", "RTMIN+1"])
def test_signals_by_number_and_name(conman: Command, image: str, begin: facts.Begin, word: str) -> None:
    run = begin("run", "--rm", "--init", "--name", "shot", image, "sh", "-c", "echo up; exec sleep 1000")
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    assert conman.ok("kill", "-s", word, "shot") == "shot\n"
    number = int(word) if word.isdigit() else 35 if "RTMIN" in word else \
        getattr(signal, "SIG" + word.upper().removeprefix("SIG"))
    assert facts.finish(run) == 128 + number


def test_a_signal_that_is_none(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    for word in ("NOSUCH", "0", "65", "-1"):
        assert conman("kill", f"--signal={word}", "host").returncode == 125
    assert facts.state(conman, "host")["Running"] is True


# Strays.


def test_a_stray_of_an_exec_that_holds_its_output(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    began = time.monotonic()
    seconds = facts.token()
    done = conman("exec", "host", "sh", "-c", f"sleep {seconds} & echo gone; exit 3")
    assert (done.returncode, done.stdout) == (3, "gone\n")
    assert time.monotonic() - began < 20
    assert facts.until(lambda: facts.running("sleep", seconds))  # it lives


def test_a_stray_of_an_exec_that_goes_on_writing(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    done = conman("exec", "host", "sh", "-c", "trap '' PIPE; yes & exit 4", timeout=60)
    assert done.returncode == 4 and set(done.stdout.split()) <= {"y"}


def test_a_stray_of_a_container_that_holds_its_output(conman: Command, image: str, gone: list[str]) -> None:
    """With the host's pid namespace nobody ends it but the clean-up."""
    gone.append("parent")
    seconds = facts.token()
    done = conman("run", "--pid=host", "--name", "parent", image, "sh", "-c", f"sleep {seconds} & echo gone; exit 5", timeout=60)
    assert (done.returncode, done.stdout) == (5, "gone\n")
    assert conman.ok("logs", "parent") == "gone\n"
    assert not facts.running("sleep", seconds)


# Closed pipes.


def test_a_process_that_closes_its_output_and_lives_on(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("quiet")
    conman.ok("run", "-d", "-i", "--name", "quiet", image, "sh", "-c", "echo last; exec >&- 2>&-; read x; exit 7")
    pid = facts.pid_of(conman, "quiet")
    facts.until(lambda: 1 not in facts.open_files(pid))
    assert facts.used_while_waiting(facts.shim_of(pid)) < IDLE
    assert facts.state(conman, "quiet")["Running"] is True
    assert conman("attach", "quiet", stdin=b"go\n").returncode == 7
    assert conman.ok("wait", "quiet") == "7\n"
    assert conman.ok("logs", "quiet") == "last\n"


def test_a_process_that_closes_its_terminal_and_lives_on(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("quiet")
    conman.ok("run", "-d", "-t", "--name", "quiet", image, "sh", "-c",
              "mkfifo /go; echo last; exec 0<&- >&- 2>&-; read x < /go; exit 8")
    pid = facts.pid_of(conman, "quiet")
    facts.until(lambda: 1 not in facts.open_files(pid))
    assert facts.used_while_waiting(facts.shim_of(pid)) < IDLE
    assert facts.state(conman, "quiet")["Running"] is True
    conman.ok("exec", "quiet", "sh", "-c", "echo > /go")
    assert conman.ok("wait", "quiet") == "8\n"


@pytest.mark.parametrize("kind", ["-d", "-di", "-dt", "-dit"])
def test_an_idle_shim_uses_no_processor(conman: Command, image: str, gone: list[str], kind: str) -> None:
    gone.append("idle")
    conman.ok("run", kind, "--name", "idle", image, "sleep", "1000")
    assert facts.used_while_waiting(facts.shim_of(facts.pid_of(conman, "idle"))) < 0.015


# A shim that is killed. What becomes of its container is said in docs/architecture.md, "Crashes".


@pytest.fixture
def bereft(conman: Command, image: str, gone: list[str]) -> int:
    """A container whose shim was killed; its main process."""
    gone.append("bereft")
    conman.ok("run", "-d", "--name", "bereft", image, "sh", "-c", "sleep 1000 & exec sleep 1000")
    pid = facts.pid_of(conman, "bereft")
    shim = facts.shim_of(pid)
    os.kill(shim, signal.SIGKILL)
    assert facts.ended(shim)
    return pid


def test_shim_killed_the_next_command_ends_what_is_left_and_says_so(conman: Command, bereft: int) -> None:
    assert conman.ok("ps", "-a", "--filter", "name=bereft", "--format", "{{.State}}") == "exited\n"
    assert facts.ended(bereft)
    state = facts.state(conman, "bereft")
    assert (state["Status"], state["ExitCode"], state["Running"], state["Error"]) == ("exited", -1, False, "shim lost")


def test_shim_killed_it_is_removed_by_force_at_once(conman: Command, bereft: int) -> None:
    assert conman.ok("rm", "-f", "-t", "0", "bereft") == "bereft\n"
    assert facts.ended(bereft)
    assert conman("inspect", "bereft").returncode != 0


def test_shim_killed_it_starts_again(conman: Command, bereft: int) -> None:
    conman.ok("start", "bereft")
    assert facts.ended(bereft)
    assert facts.state(conman, "bereft")["Running"] is True


def test_shim_killed_whoever_waits_is_told(conman: Command, library: Conman, bereft: int) -> None:
    with pytest.raises(ShimLost, match="shim"):
        library.containers.get("bereft").wait(cancel=Cancel(facts.PATIENCE))
    done = conman("wait", "bereft")
    assert done.stdout == "-1\n" or (done.returncode == 125 and "shim" in done.stderr)


def test_shim_killed_a_wait_under_way_is_told(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    gone.append("watched")
    conman.ok("run", "-d", "--name", "watched", image, "sleep", "1000")
    pid = facts.pid_of(conman, "watched")
    waiting = begin("wait", "watched")
    facts.until(lambda: any("pidfd" in what for what in facts.open_files(waiting.pid).values()))
    os.kill(facts.shim_of(pid), signal.SIGKILL)
    out, err = waiting.communicate(timeout=facts.PATIENCE)
    assert out == b"-1\n" or (waiting.returncode == 125 and b"shim" in err)
    assert facts.ended(pid)


def test_shim_killed_an_attached_run_says_so_with_125(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    gone.append("bereft")
    run = begin("run", "-i", "--name", "bereft", image, "sh", "-c", "echo up; exec sleep 1000", stdin=subprocess.PIPE)
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    pid = facts.pid_of(conman, "bereft")
    os.kill(facts.shim_of(pid), signal.SIGKILL)
    _, err = run.communicate(timeout=facts.PATIENCE)
    assert run.returncode == 125 and err.startswith(b"Error: ") and b"shim" in err
    assert facts.ended(pid)
    assert facts.state(conman, "bereft")["Error"] == "shim lost"


def test_shim_killed_one_that_was_to_be_removed_is(conman: Command, image: str) -> None:
    id = conman.ok("run", "-d", "--rm", "--name", "fleeting", image, "sleep", "1000").strip()
    pid = facts.pid_of(conman, "fleeting")
    os.kill(facts.shim_of(pid), signal.SIGKILL)
    conman.ok("ps", "-a")
    assert conman("inspect", id).returncode != 0


def test_shim_of_an_exec_killed(conman: Command, image: str, gone: list[str], begin: facts.Begin) -> None:
    """The exec is over with an error; its container does not notice."""
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    seconds = facts.token()
    run = begin("exec", "host", "sh", "-c", f"echo up; exec sleep {seconds}")
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    inner, = facts.until(lambda: facts.running("sleep", seconds))
    os.kill(facts.shim_of(inner), signal.SIGKILL)
    _, err = run.communicate(timeout=facts.PATIENCE)
    assert run.returncode == 125 and err.startswith(b"Error: ") and b"shim" in err
    assert conman.ok("exec", "host", "echo", "fine") == "fine\n"
