"""Exec sessions as objects: made, started, joined, waited for and removed, by one process or several."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conman_kernel import Cancel, Conman, Container, ExecOptions, ExecSession
from conman_kernel.containers.execs import ending
from conman_kernel.containers.session import SocketSession
from conman_kernel.errors import (
    CommandNotExecutable,
    CommandNotFound,
    DeadlineExceeded,
    InvalidInput,
    InvalidState,
    NotFound,
    RuntimeFailed,
)
from conman_kernel.slots.attach import End, Outcome, Output
from conman_kernel.testing.command import Command

from . import facts
from .exec_facts import LONG, files, gone, only, patient, shell


def read_all(session: SocketSession) -> tuple[bytes, End]:
    """All output of a joined session, and its end."""
    said = b""
    while True:
        item = session.receive()
        if isinstance(item, End):
            return said, item
        if isinstance(item, Output):
            said += item.data
        else:
            assert select.select([session], [], [], LONG)[0]


# A life.


def test_a_life(conman: Command, host: Container) -> None:
    session = host.create_exec(shell("exit 7"))
    assert (session.state, session.exit_code, session.pid, len(session.id)) == ("created", -1, 0, 64)
    with pytest.raises(InvalidState, match="was not started"):
        session.wait(cancel=patient())
    session.start()
    assert session.wait(cancel=patient()) == 7
    assert (session.state, session.exit_code, session.pid) == ("exited", 7, 0)
    assert session.wait(cancel=patient()) == 7
    with pytest.raises(InvalidState, match="started already"):
        session.start()
    gone(files(conman, session))
    session.remove()
    with pytest.raises(NotFound, match="no such exec session"):
        session.refresh()


@pytest.mark.parametrize("script, code", [
    ("exit 0", 0), ("exit 1", 1), ("exit 126", 126), ("exit 127", 127), ("kill -9 $$", 137), ("kill -15 $$", 143),
    ("exit 255", 255)])
def test_exit_codes(conman: Command, host: Container, script: str, code: int) -> None:
    assert conman("exec", "host", "sh", "-c", script).returncode == code
    assert host.exec(["sh", "-c", script], cancel=patient()).exit_code == code
    session = host.exec_detached(shell(script))
    assert session.wait(cancel=patient()) == code
    assert host.execs()[-1].exit_code == code


@pytest.mark.parametrize("options, error, code", [
    (ExecOptions(command=("nosuch",)), CommandNotFound, 127), (ExecOptions(command=("/etc",)), CommandNotExecutable, 126),
    (ExecOptions(command=("true",), workdir="/missing"), CommandNotFound, 127),
    (ExecOptions(command=("true",), workdir="/etc/passwd"), RuntimeFailed, 255),
    (ExecOptions(command=("true",), user="nosuch"), NotFound, 255),
    (ExecOptions(command=("true",), workdir="rel"), InvalidInput, 255)])
def test_what_cannot_be_started(conman: Command, host: Container, options: ExecOptions, error: type[Exception], code: int) -> None:
    session = host.create_exec(options)
    with pytest.raises(error):
        session.start()
    session.refresh()
    assert (session.state, session.exit_code) == ("exited", code)
    assert not files(conman, session).exists()
    session.remove()
    with pytest.raises(error):
        host.exec_detached(options)
    with pytest.raises(error):
        host.exec(options)
    assert host.execs() == []


def test_inspect_has_the_keys_of_docker_and_podman(host: Container) -> None:
    session = host.create_exec(ExecOptions(command=("sleep", "1000"), user="0", terminal=True, stdin_open=True))
    made = session.inspect()
    assert set(made) == {"CanRemove", "ContainerID", "DetachKeys", "ExitCode", "ID", "OpenStderr", "OpenStdin", "OpenStdout",
                         "Running", "Pid", "ProcessConfig"}
    assert made["ProcessConfig"] == {"arguments": ["1000"], "entrypoint": "sleep", "privileged": False, "tty": True, "user": "0"}
    assert (made["ID"], made["ContainerID"], made["ExitCode"], made["Running"]) == (session.id, host.id, None, False)
    session.start()
    runs = session.refresh().inspect()
    assert (runs["Running"], runs["Pid"], runs["CanRemove"]) == (True, session.pid, False)
    assert os.path.exists(f"/proc/{session.pid}")
    session.kill(9)
    session.wait(cancel=patient())
    assert session.inspect()["ExitCode"] == 137 and json.dumps(session.inspect())


def test_the_command_leaves_no_session_and_a_detached_one_stays(conman: Command, host: Container) -> None:
    conman.ok("exec", "host", "true")
    assert host.execs() == []
    id = conman.ok("exec", "-d", "host", "sh", "-c", "exit 3").strip()
    assert [session.id for session in host.execs()] == [id]
    assert host.execs()[0].wait(cancel=patient()) == 3


def test_only_so_many_that_have_ended_are_kept(monkeypatch: pytest.MonkeyPatch, host: Container) -> None:
    monkeypatch.setattr("conman_kernel.containers.execs.rows.ENDED_KEPT", 2)
    ids = []
    for number in range(5):
        session = host.exec_detached(shell(f"exit {number}"))
        session.wait(cancel=patient())
        ids.append(session.id)
    last = host.create_exec(shell("true"))
    assert [session.id for session in host.execs()] == [*ids[-2:], last.id]


# Several processes.

_OTHER = """
import sys
from conman_kernel import Conman, Cancel
with Conman(root=sys.argv[1], run_root=sys.argv[2]) as conman:
    session = conman.containers.exec_session(sys.argv[3])
    do = sys.argv[4]
    if do == "start":
        session.start()
    elif do == "kill":
        session.kill(15)
    print(session.wait(cancel=Cancel(60)) if do == "wait" else session.refresh().state, flush=True)
"""


def other(conman: Command, session: ExecSession, do: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _OTHER, conman.root, conman.run_root, session.id, do],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=conman.environ)


def answer(process: subprocess.Popen[bytes]) -> str:
    out, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err.decode()
    return out.decode().strip()


def test_several_processes_use_one_session(conman: Command, host: Container) -> None:
    session = host.create_exec(shell("trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done"))
    assert answer(other(conman, session, "start")) == "running"  # the process that started it is gone
    waits = [other(conman, session, "wait") for _ in range(2)]
    with session.session() as joined:
        assert joined.fileno() >= 0
    assert answer(other(conman, session, "kill")) in ("running", "exited")
    assert session.wait(cancel=patient()) == 9
    assert [answer(process) for process in waits] == ["9", "9"]
    gone(files(conman, session))


def test_one_start_wins(host: Container) -> None:
    session = host.create_exec(shell("sleep 1000"))
    failed: list[Exception] = []

    def start() -> None:
        try:
            host.execs()[0].start()
        except InvalidState as error:
            failed.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 3 and session.refresh().state == "running"
    with pytest.raises(InvalidState, match="is running"):
        session.remove()
    session.kill()
    assert session.wait(cancel=patient()) == 137
    session.remove()


def test_an_id_may_be_shortened(library: Conman, host: Container) -> None:
    session = host.create_exec(shell("true"))
    assert library.containers.exec_session(session.id[:12]).id == session.id
    for id in ("", "zz", "0" * 64):
        with pytest.raises(NotFound):
            library.containers.exec_session(id)


def test_a_wait_ends_by_its_deadline_and_the_process_goes_on(host: Container) -> None:
    session = host.exec_detached(shell("sleep 1000"))
    with pytest.raises(DeadlineExceeded):
        session.wait(cancel=Cancel(0.1))
    assert session.refresh().state == "running"
    session.kill()
    assert session.wait(cancel=patient()) == 137


def test_a_wait_wakes_although_who_started_it_does_not_clean_up(host: Container, begin: facts.Begin) -> None:
    starter = begin("exec", "host", "sh", "-c", "echo up; read x </dev/zero; exit 5")
    assert starter.stdout is not None and starter.stdout.readline() == b"up\n"
    session = only(host)
    starter.send_signal(signal.SIGSTOP)
    session.kill(15)
    assert session.wait(cancel=patient()) == 143
    starter.send_signal(signal.SIGCONT)
    assert (starter.communicate(timeout=LONG)[1], starter.returncode) == (b"", 143)
    assert host.execs() == []


def test_a_wait_that_looks_just_before_the_end_wakes_too(conman: Command, host: Container, begin: facts.Begin,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    """No exit file yet, and then nobody who could be joined; and the shim stays for as long as who started it."""
    starter = begin("exec", "host", "sh", "-c", "echo up; read x </dev/zero; exit 5")
    assert starter.stdout is not None and starter.stdout.readline() == b"up\n"
    session = only(host)
    starter.send_signal(signal.SIGSTOP)
    session.kill(15)
    facts.until((files(conman, session) / "exit").exists)
    real, looks = ending.status_of, iter([True])
    monkeypatch.setattr(ending, "status_of", lambda context, row: None if next(looks, False) else real(context, row))
    assert session.wait(cancel=Cancel(10.0)) == 143
    assert next(looks, None) is None
    starter.send_signal(signal.SIGCONT)
    assert (starter.communicate(timeout=LONG)[1], starter.returncode) == (b"", 143)


def test_watch_is_readable_at_the_end_and_not_before(host: Container) -> None:
    session = host.exec_detached(shell("sleep 1000"))
    fd = session.watch()
    assert not select.select([fd], [], [], 0)[0]
    session.kill()
    assert select.select([fd], [], [], LONG)[0]
    os.close(fd)
    assert session.wait(cancel=patient()) == 137 and session.watch() == -1


# Streams.


def test_a_session_joined_at_the_start_gets_every_byte(host: Container) -> None:
    for _ in range(10):
        with host.create_exec(shell("echo out; echo err >&2; exit 4")).start_session() as joined:
            said, end = read_all(joined)
        assert sorted(said.split()) == [b"err", b"out"] and end.outcome is Outcome.EXITED
    for session in host.execs():
        assert session.wait(cancel=patient()) == 4


def test_input_and_its_end(host: Container) -> None:
    session = host.create_exec(shell("cat; echo end", stdin_open=True))
    with session.start_session(stdin=True) as joined:
        assert joined.send(b"hello\n") == 6
        joined.close_stdin()
        assert read_all(joined)[0] == b"hello\nend\n"
    assert session.wait(cancel=patient()) == 0


def test_captured(host: Container) -> None:
    done = host.exec(["sh", "-c", "cat; echo $A >&2; pwd; id -u; exit 3"], stdin=b"in\n", env={"A": "b"}, user="65534", workdir="/tmp")
    assert (done.container_id, done.exit_code, done.stdout, done.stderr) == (host.id, 3, b"in\n/tmp\n65534\n", b"b\n")


def test_captured_into_sinks(host: Container, folder: Path) -> None:
    with open(folder / "out", "wb") as sink:
        done = host.exec(["sh", "-c", "seq 1 20000; echo err >&2"], stdout=sink)
    assert (done.stdout, done.stderr, (folder / "out").read_text()) == (b"", b"err\n", "".join(f"{n}\n" for n in range(1, 20001)))


def test_a_captured_one_whose_caller_gives_up_is_killed(conman: Command, host: Container) -> None:
    with pytest.raises(DeadlineExceeded):
        host.exec(["sh", "-c", "exec sleep 777"], cancel=Cancel(0.5))
    assert host.execs() == [] and "777" not in conman.ok("exec", "host", "ps")
    assert os.listdir(Path(conman.run_root) / "containers" / host.id / "exec") == []


@pytest.mark.parametrize("early", [True, False])
def test_resize_before_the_start_and_after(host: Container, early: bool) -> None:
    session = host.create_exec(shell("stty size; trap 'stty size; exit' WINCH; echo up; while :; do sleep 0.02; done",
                                     terminal=True))
    if early:
        session.resize(rows=33, columns=77)
        joined = session.start_session()
    else:
        joined = session.start_session(size=(33, 77))
    with joined:
        said = b""
        while b"up\r\n" not in said:
            assert select.select([joined], [], [], LONG)[0]
            item = joined.receive()
            said += item.data if isinstance(item, Output) else b""
        assert said == b"33 77\r\nup\r\n"
        session.resize(rows=44, columns=88)
        assert read_all(joined)[0] == b"44 88\r\n"
    session.wait(cancel=patient())
    with pytest.raises(InvalidState):
        session.resize(rows=1, columns=1)
    with pytest.raises(InvalidState, match="no terminal"):
        host.create_exec(shell("true")).resize(rows=1, columns=1)
