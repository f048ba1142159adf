"""From configuration to clean-up: PROTOCOL.md, "Life"."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from pathlib import Path

import pytest


def test_a_kernel_that_goes_before_it_says_anything_leaves_no_trace(rig) -> None:
    rig.control.close()
    rig.gone()
    assert list(rig.folder.iterdir()) == []


def test_exit_code_and_exit_file(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "exit 7"), "durable=1")
    told = rig.exited()
    assert (told["code"], told["signal"], told["oom"]) == ("7", "0", "0")
    assert rig.exit_file() == told
    rig.say("done")
    rig.gone()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_death_by_signal_is_128_and_its_number(rig, number: int) -> None:
    pid = rig.start(rig.runtime("sleep", "100"))
    os.kill(pid, number)
    told = rig.exited()
    assert (int(told["code"]), int(told["signal"])) == (128 + number, number)


@pytest.mark.parametrize("code", [0, 1, 126, 127, 137, 143, 255])
def test_exit_codes(rig, code: int) -> None:
    rig.start(rig.runtime("sh", "-c", f"exit {code}"))
    assert rig.exited()["code"] == str(code)
    assert rig.exit_file()["signal"] == "0"


def test_the_runtimes_words_when_it_fails(rig) -> None:
    rig.configure(rig.runtime("true", options=("--fail", "3", "time=x level=error msg=no such thing")))
    name, records = rig.heard()
    assert (name, records["stage"], records["exit"]) == ("error", "create", "3")
    assert "no such thing" in records["text"]
    rig.say("done")
    rig.gone()
    assert not (rig.folder / "exit").exists()
    assert not (rig.folder / "attach.sock").exists()


def test_the_runtimes_words_are_bounded(rig) -> None:
    rig.configure(rig.runtime("true", options=("--fail", "1", "x" * 100_000 + "the end")))
    _, records = rig.heard()
    assert records["text"].endswith("the end")
    assert len(records["text"]) == 16 * 1024


def test_a_runtime_that_is_not_there(rig) -> None:
    rig.configure(["/no/such/runtime"])
    name, records = rig.heard()
    assert (name, records["stage"], records["exit"]) == ("error", "create", "-1")
    assert "No such file" in records["text"]


def test_a_runtime_that_leaves_no_pid(rig) -> None:
    rig.configure(rig.runtime("true", options=("--no-pid",)))
    name, records = rig.heard()
    assert (name, records["stage"]) == ("error", "create")


def test_a_runtime_whose_process_is_not_our_child(rig) -> None:
    rig.configure(["sh", "-c", "true & echo $! > \"$0\"; wait", rig.path("pid")])
    name, records = rig.heard()
    assert (name, records["stage"]) == ("error", "create")
    assert "not our child" in records["text"]


def test_a_runtime_whose_second_process_ends_after_the_first(rig) -> None:
    script = '(sleep 100 & echo $! > "$0"; exec sleep 0.3) & until test -s "$0"; do :; done'
    pid = rig.start(["sh", "-c", script, rig.path("pid")])
    os.kill(pid, signal.SIGKILL)
    assert rig.exited()["code"] == "137"


@pytest.mark.parametrize(("record", "word"), [("version=99", "version 99"), ("log_driver=syslog", "syslog"),
                                              ("terminal=1", "console_socket")])
def test_a_wrong_configuration_is_refused_with_its_reason(rig, record: str, word: str) -> None:
    rig.configure(rig.runtime("true"), record)
    name, records = rig.heard()
    assert (name, records["stage"]) == ("error", "config")
    assert word in records["text"]
    rig.gone()


def test_a_configuration_in_many_packets(rig) -> None:
    rig.control.send(b"config\0env=" + b"A=" + b"x" * 60_000 + b"\0own_env=1\0more=1\0")
    rig.start(rig.runtime("/bin/sh", "-c", "test ${#A} = 60000"))
    assert rig.exited()["code"] == "0"


def test_the_lock_is_held_and_a_second_shim_is_refused(rig, folder: Path) -> None:
    rig.start(rig.runtime("sleep", "100"))
    assert rig.locked()
    other = rig.another()
    cleaned = folder / "cleaned"
    other.configure(other.runtime("true"), "cleanup=touch", f"cleanup={cleaned}")
    name, records = other.heard()
    assert (name, records["stage"]) == ("error", "lock")
    other.close()
    assert not cleaned.exists()
    assert (folder / "attach.sock").exists()


def test_a_kernel_that_dies_before_the_start_undoes_it(rig) -> None:
    cleaned = rig.folder / "cleaned"
    rig.configure(rig.runtime("sleep", "100"), "cleanup=touch", f"cleanup={cleaned}")
    pid = rig.created()
    rig.control.close()
    rig.gone()
    assert not Path(f"/proc/{pid}").exists()
    assert cleaned.exists()
    assert rig.exit_file()["code"] == "137"


def test_a_kernel_that_undoes_it_itself_needs_no_exit_file(rig) -> None:
    rig.configure(rig.runtime("sleep", "100"), "cleanup=touch", f"cleanup={rig.path('cleaned')}")
    rig.created()
    rig.say("done")
    rig.control.close()
    rig.gone()
    assert not (rig.folder / "cleaned").exists()
    assert not (rig.folder / "exit").exists()


def test_a_kernel_that_dies_after_the_start_leaves_clean_up_to_the_shim(rig) -> None:
    rig.start(rig.runtime("sh", "-c", "read line; exit 5"), "stdin=1", "cleanup=touch", f"cleanup={rig.path('cleaned')}")
    rig.control.close()
    client = rig.attach()
    assert not (rig.folder / "cleaned").exists()
    client.send(2, b"go\n")
    rig.gone()
    assert rig.exit_file()["code"] == "5"
    assert (rig.folder / "cleaned").exists()
    assert not (rig.folder / "attach.sock").exists()


def test_release_leaves_it_to_the_shim_at_once(rig) -> None:
    rig.configure(rig.runtime("true"), "cleanup=touch", f"cleanup={rig.path('cleaned')}")
    rig.created()
    rig.say("started")
    rig.say("release")
    rig.gone()
    assert (rig.folder / "cleaned").exists()


def test_while_the_kernel_is_there_the_shim_leaves_clean_up_to_it(rig) -> None:
    rig.start(rig.runtime("true"), "cleanup=touch", f"cleanup={rig.path('cleaned')}")
    rig.exited()
    assert not select.select([rig.handle], [], [], 0.2)[0], "it did not wait"
    rig.say("done")
    rig.gone()
    assert not (rig.folder / "cleaned").exists()


def test_clean_up_has_no_descriptors_but_dev_null(rig) -> None:
    seen = rig.path("seen")
    rig.configure(rig.runtime("true"), "cleanup=sh", "cleanup=-c",
                  f"cleanup=ls -l /proc/self/fd > {seen}.new; cat /proc/self/status >> {seen}.new; mv {seen}.new {seen}")
    rig.created()
    rig.say("release")
    rig.gone()
    text = Path(seen).read_text()
    assert [line.split(" -> ")[1] for line in text.splitlines() if " 0 ->" in line or " 2 ->" in line] == ["/dev/null"] * 2
    ignored = int(text.partition("SigIgn:\t")[2].split()[0], 16)
    # 32 and 33 are the C library's own: it lets the children of a process that had threads ignore them.
    assert ignored & ~(3 << 31) == 0
    assert not any(name in text for name in ("socket:", "lock", "anon_inode"))


def test_no_descriptor_and_no_ignored_signal_reaches_the_process(rig) -> None:
    # A shell as runtime: Python would ignore SIGPIPE by itself. A shell's background job ignores SIGINT and SIGQUIT.
    script = "exec 3<&0; sh -c 'echo ready; exec sleep 100' <&3 3<&- & echo $! > \"$0\""
    rig.configure(["sh", "-c", script, rig.path("pid")], "stdin=1")
    pid = rig.created()
    client = rig.attach()
    rig.say("started")
    client.until(b"ready\n")
    fds = {name: os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}
    assert set(fds) == {"0", "1", "2"}
    assert all(link.startswith("pipe:") for link in fds.values())
    status = Path(f"/proc/{pid}/status").read_text()
    ignored = int(status.split("SigIgn:\t")[1].split()[0], 16)
    assert ignored & 0x7FFF_FFF9 == 0  # above 31 lie the C library's own
    assert "SigBlk:\t0000000000000000" in status


def test_it_leaves_session_folder_and_first_process(rig) -> None:
    rig.start(rig.runtime("sleep", "100"))
    assert os.getsid(rig.pid) == rig.pid
    assert os.readlink(f"/proc/{rig.pid}/cwd") == "/"
    assert set(os.listdir(f"/proc/{rig.pid}/fd")) >= {"0", "1", "2", "3"}


def test_a_cgroup_that_cannot_be_entered_is_reported_not_fatal(rig) -> None:
    (rig.folder / "cgroup.procs").touch()
    rig.configure(rig.runtime("true"), f"cgroup={rig.folder}", "cgroup=/no/such/cgroup")
    name, records = rig.heard()
    assert name == "notice"
    assert "/no/such/cgroup" in records["text"]
    rig.created()
    assert (rig.folder / "cgroup.procs").read_text() == str(rig.pid)


@pytest.mark.parametrize(("before", "after", "oom"), [
    ("", "low 0\noom 1\noom_kill 1\n", "1"), ("", "oom_kill_disable 0\noom_kill 0\n", "0"),
    ("oom_kill 3\n", "oom_kill 3\n", "0"), ("oom_kill 3\n", "oom_kill 4\n", "1"),
])
def test_out_of_memory_is_noted_when_it_happened_meanwhile(rig, before: str, after: str, oom: str) -> None:
    events = rig.folder / "memory.events"
    if before:
        events.write_text(before)
    rig.configure(rig.runtime("true"), "oom_files=/no/such/file", f"oom_files={events}")
    rig.created()
    events.write_text(after)
    rig.say("started")
    assert rig.exited()["oom"] == oom


def test_strays_are_reaped(rig) -> None:
    script = "for i in 1 2 3 4 5; do (sh -c 'sleep 0' & ) ; done; read line"
    pid = rig.start(rig.runtime("sh", "-c", script), "stdin=1")
    client = rig.attach()
    client.send(2, b"\n")
    rig.exited()
    children = Path(f"/proc/{rig.pid}/task/{rig.pid}/children").read_text().split()
    assert str(pid) not in children
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{child}").exists() for child in children):  # one may have ended this very moment
        assert select.select([rig.handle], [], [], 0.01)[0] == []
        assert time.monotonic() < deadline


def test_sigterm_goes_to_the_process(rig) -> None:
    rig.start(rig.runtime("sleep", "100"))
    os.kill(rig.pid, signal.SIGTERM)
    assert rig.exited()["signal"] == str(int(signal.SIGTERM))


def test_an_exit_file_that_cannot_be_written_is_said_and_the_exit_still_told(rig) -> None:
    rig.start(rig.runtime("true"), "exit_file=/no/such/folder/exit")
    name, records = rig.heard()
    assert name == "notice"
    assert "exit file" in records["text"]
    assert rig.exited()["code"] == "0"


def test_a_create_that_hangs_after_the_kernel_died_ends_and_is_cleaned(rig) -> None:
    rig.configure(rig.runtime("sleep", "100", options=("--hang", "0.3")), "cleanup=touch", f"cleanup={rig.path('cleaned')}")
    rig.control.close()
    rig.gone()
    assert (rig.folder / "cleaned").exists()
    assert not Path(f"/proc/{(rig.folder / 'pid').read_text()}").exists()


def test_sockets_are_private_and_paths_may_be_long(rig) -> None:
    deep = rig.folder / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    rig.start(rig.runtime("sh", "-c", "read line; tty", options=("--console", str(deep / "console"))),
              f"socket={deep}/attach.sock", f"console_socket={deep}/console", "terminal=1", "stdin=1")
    assert (deep / "attach.sock").stat().st_mode & 0o777 == 0o600
    assert not (deep / "console").exists()
    client = rig.attach(path=str(deep / "attach.sock"))
    client.send(2, b"x\n")
    assert b"/dev/pts/" in client.output()[0]


def test_nobody_else_may_connect(rig) -> None:
    if os.geteuid() != 0:
        pytest.fail("needs root to be somebody else")
    rig.start(rig.runtime("sleep", "100"))
    os.chmod(rig.folder, 0o755)
    os.chmod(rig.folder / "attach.sock", 0o777)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(str(rig.folder / "attach.sock"))
        try:
            connection.send(b"\x01\x01\x07")
            said = connection.recv(100)
        except OSError:
            said = b""
        os.write(writer, said or b"closed")
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 100) == b"closed"
    os.close(reader)
    os.waitpid(child, 0)
