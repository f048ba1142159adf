"""How exec sessions end: with their container, without their shim, without their command; what they leave, and with what exit code."""

from __future__ import annotations

import os
import select
import signal
import threading
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel import Conman, Container, ExecSession
from conman_kernel.errors import InvalidState, NotFound, ShimLost
from conman_kernel.testing.command import Command

from . import facts
from .exec_facts import LONG, files, gone, kill_shim, only, patient, shell

# Its container's life.


def test_it_ends_with_its_container(host: Container) -> None:
    runs, ended, waiting = host.exec_detached(shell("sleep 1000")), host.exec_detached(shell("exit 3")), host.create_exec(shell(":"))
    assert ended.wait(cancel=patient()) == 3
    host.stop(timeout=0)
    assert runs.wait(cancel=patient()) == 137 and ended.refresh().exit_code == 3
    with pytest.raises(InvalidState, match="running containers"):
        waiting.start()
    with pytest.raises(InvalidState, match="running containers"):
        host.create_exec(shell("true"))
    host.start()
    with pytest.raises(InvalidState, match="earlier run"):
        waiting.start()
    assert host.execs() == []


def test_one_of_a_container_that_is_gone(conman: Command, host: Container) -> None:
    session, waiting = host.exec_detached(shell("sleep 1000")), host.create_exec(shell("true"))
    conman.ok("rm", "-f", "-t", "0", "host")
    for call in (session.refresh, session.wait, session.kill, session.remove, waiting.start, session.session):
        with pytest.raises(NotFound, match="no such container"):
            call()  # type: ignore[operator]


# The shim is killed.


def _waits(session: ExecSession) -> None:
    with pytest.raises(ShimLost):
        session.wait(cancel=patient())


@pytest.mark.parametrize("next_command", [
    lambda conman, session: conman.ok("ps"), lambda conman, session: conman.ok("exec", "host", "true"),
    lambda conman, session: session.refresh(), lambda conman, session: _waits(session)])
def test_one_whose_shim_was_killed_is_lost(conman: Command, host: Container,
                                           next_command: Callable[[Command, ExecSession], object]) -> None:
    session = host.exec_detached(shell("exec sleep 1000"))
    process = os.pidfd_open(session.pid)
    kill_shim(files(conman, session))
    next_command(conman, session)
    assert select.select([process], [], [], LONG)[0], "the process is killed"
    os.close(process)
    assert not files(conman, session).exists()
    session.refresh()
    assert (session.state, session.exit_code, session.pid) == ("lost", -1, 0)
    with pytest.raises(ShimLost):
        session.wait(cancel=patient())
    session.remove()
    assert host.state == "running"


def test_the_command_whose_shim_was_killed_says_so(conman: Command, host: Container, begin: facts.Begin) -> None:
    command = begin("exec", "host", "sh", "-c", "echo up; exec sleep 1000")
    assert command.stdout is not None and command.stdout.readline() == b"up\n"
    session = only(host)
    process = os.pidfd_open(session.refresh().pid)
    kill_shim(files(conman, session))
    error = command.communicate(timeout=LONG)[1]
    assert command.returncode == 125 and b"shim is gone" in error
    assert select.select([process], [], [], LONG)[0]
    os.close(process)
    assert host.execs() == [] and not files(conman, session).exists()


def test_a_killed_command_leaves_its_process_to_the_shim(conman: Command, host: Container, begin: facts.Begin) -> None:
    command = begin("exec", "host", "sh", "-c", "echo up; exec sleep 1000")
    assert command.stdout is not None and command.stdout.readline() == b"up\n"
    command.kill()
    command.communicate(timeout=LONG)
    session = only(host)
    session.refresh().kill(15)
    assert session.wait(cancel=patient()) == 143
    gone(files(conman, session))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_the_commands_own(host: Container, begin: facts.Begin, number: signal.Signals) -> None:
    """podman's and docker's rule: exec passes none on."""
    command = begin("exec", "host", "sh", "-c", "echo up; exec sleep 1000")
    assert command.stdout is not None and command.stdout.readline() == b"up\n"
    command.send_signal(number)
    command.communicate(timeout=LONG)
    assert command.returncode != 0
    session = only(host)
    assert session.refresh().state == "running"
    session.kill()
    assert session.wait(cancel=patient()) == 137


# Many.


def test_twenty_at_once(conman: Command, host: Container, begin: facts.Begin) -> None:
    commands = [begin("exec", "host", "sh", "-c", f"echo {number}; exit {number}") for number in range(20)]
    for number, command in enumerate(commands):
        out, err = command.communicate(timeout=LONG)
        assert (command.returncode, out, err) == (number, b"%d\n" % number, b"")
    sessions = [host.create_exec(shell(f"exit {number}")) for number in range(20)]
    threads = [threading.Thread(target=session.start) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [session.wait(cancel=patient()) for session in sessions] == list(range(20))
    for session in sessions:
        gone(files(conman, session))
    assert os.listdir(Path(conman.run_root) / "containers" / host.id / "exec") == []


@pytest.mark.parametrize("arguments, code, words", [
    (["-u", "nosuch", "host", "true"], 255, "unable to find user nosuch"), (["-w", "/missing", "host", "true"], 127, "/missing"),
    (["-w", "/etc/passwd", "host", "true"], 255, "not a directory"), (["-w", "rel", "host", "true"], 255, "absolute"),
    (["host"], 255, "non-empty command"), ([], 125, "requires the name"), (["host", ""], 127, "command"),
    (["--detach-keys", "ctrl-pp", "host", "true"], 255, "detach keys"), (["-d", "host"], 125, "non-empty command"),
    (["-d", "host", "nosuch"], 125, "nosuch"), (["-d", "-u", "nosuch", "host", "true"], 125, "nosuch")])
def test_exit_codes_of_the_command_are_podmans(conman: Command, host: Container, arguments: list[str], code: int, words: str) -> None:
    done = conman("exec", *arguments)
    assert done.returncode == code and done.stderr.startswith("Error: ") and words in done.stderr
    assert host.execs() == []


def test_one_whose_command_was_killed_before_it_said_so_is_found_by_its_pid_file(conman: Command, library: Conman,
                                                                                 host: Container) -> None:
    session = host.exec_detached(shell("exec sleep 1000"))
    pid = session.pid
    with library.containers._context.index.write() as connection:  # as a command leaves it that was killed a moment earlier
        connection.execute("UPDATE exec_sessions SET state = 'starting', pid = 0, pid_start = 0, shim_pid = 0, shim_start = 0, "
                           "owner_pid = 1, owner_start = 1 WHERE id = ?", (session.id,))
    assert (session.refresh().state, session.pid) == ("running", pid)
    session.kill(15)
    assert session.wait(cancel=patient()) == 143


def test_while_the_runtime_is_still_there_it_is_not_taken_for_the_shim(conman: Command, library: Conman, host: Container) -> None:
    seconds = facts.token()
    session = host.exec_detached(shell(f"sh -c 'sleep {seconds}; :'; :"))
    process, shim = session.pid, session._row.shim_pid
    file = files(conman, session) / "pid"
    with library.containers._context.index.write() as connection:
        connection.execute("UPDATE exec_sessions SET state = 'starting', pid = 0, pid_start = 0, shim_pid = 0, shim_start = 0, "
                           "owner_pid = 1, owner_start = 1 WHERE id = ?", (session.id,))
    (inner,) = facts.until(lambda: facts.running("sleep", seconds))
    file.write_text(str(inner))  # its parent leads no session, as the runtime does not
    assert (session.refresh().state, session._row.shim_pid) == ("created", 0)
    file.write_text(str(process))
    assert (session.refresh().state, session._row.shim_pid) == ("running", shim)
    session.kill()
    assert session.wait(cancel=patient()) == 137
