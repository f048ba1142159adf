"""run: streams, exit codes, what the process sees of itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from conman_kernel.testing.command import Command


def test_output_error_and_exit_code_are_the_containers(conman: Command, image: str) -> None:
    done = conman("run", "--rm", image, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "err\n")


@pytest.mark.parametrize("words, code", [
    ("exit 0", 0), ("exit 1", 1), ("exit 125", 125), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143),
])
def test_exit_codes(conman: Command, image: str, words: str, code: int) -> None:
    # A first process ignores signals without handler: the shell that kills itself is another one.
    assert conman("run", "--rm", image, "sh", "-c", f"sh -c '{words}'; exit $?").returncode == code


def test_death_by_signal_of_the_first_process_is_128_and_its_number(conman: Command, image: str, gone: list[str]) -> None:
    conman.ok("run", "-d", "--name", "dies", image, "sleep", "1000")
    gone.append("dies")
    conman.ok("kill", "dies")
    assert conman.ok("wait", "dies") == "137\n"


@pytest.mark.parametrize("command, code", [("nosuch", 127), ("/no/such", 127), ("/etc", 126), ("/etc/passwd", 126)])
@pytest.mark.parametrize("flags", [("--rm",), ("--rm", "-t"), ("--rm", "-d")])
def test_what_cannot_be_started(conman: Command, image: str, command: str, code: int, flags: tuple[str, ...]) -> None:
    done = conman("run", *flags, image, command)
    lines = done.stderr.splitlines()
    assert done.returncode == code
    assert len([line for line in lines if line.startswith("Error: ")]) == 1 and len(lines) <= 2, done.stderr
    assert command in done.stderr


def test_what_run_could_not_start_is_gone_and_what_start_could_not_is_as_before(
        conman: Command, image: str, gone: list[str]) -> None:
    gone.append("stays")
    assert conman("run", "--name", "stays", image, "nosuch").returncode == 127
    assert conman.ok("ps", "-a", "-q") == ""
    conman.ok("create", "--name", "stays", image, "nosuch")
    for _ in range(2):
        assert conman("start", "stays").returncode == 125
        assert conman.ok("ps", "-a", "--filter", "name=stays", "--format", "{{.State}}") == "created\n"


def test_input_reaches_the_process_and_its_end_too(conman: Command, image: str) -> None:
    data = os.urandom(3_000_000)
    done = conman.raw("run", "--rm", "-i", image, "sh", "-c", "cat; echo end >&2", stdin=data)
    assert (done.returncode, done.stdout == data, done.stderr) == (0, True, b"end\n")


def test_input_is_not_passed_on_without_i(conman: Command, image: str) -> None:
    assert conman.raw("run", "--rm", image, "cat", stdin=b"never read").stdout == b""


def test_a_terminal(conman: Command, image: str) -> None:
    terminal = conman.on_terminal("run", "--rm", "-it", image, "sh", rows=31, columns=97)
    terminal.type(b"stty size; tty\n")
    terminal.expect(b"31 97\r\n")
    terminal.expect(b"/dev/pts/0\r\n")
    terminal.resize(40, 120)
    terminal.type(b"while [ \"$(stty size)\" != '40 120' ]; do sleep 0.02; done; echo re''sized\n")
    terminal.expect(b"resized\r\n")
    # The shell reads Ctrl-C as a letter while a line is edited: only what runs is interrupted by it.
    terminal.type(b"sh -c 'echo as''leep; exec sleep 1000'\n")
    terminal.expect(b"asleep\r\n")
    terminal.type(b"\x03")
    terminal.expect(b"/ # ")
    terminal.type(b"echo af''ter\n")
    terminal.expect(b"after\r\n")
    terminal.type(b"exit 7\n")
    assert terminal.wait() == 7


def test_detach_keys_leave_it_running(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("left")
    terminal = conman.on_terminal("run", "-it", "--name", "left", image, "sh")
    terminal.type(b"echo he''re\n")
    terminal.expect(b"here\r\n")
    terminal.type(b"\x10\x11")
    assert terminal.wait() == 0
    assert conman.inspect("left")["State"]["Running"] is True
    back = conman.on_terminal("attach", "left")
    back.type(b"echo ba''ck; exit 4\n")
    back.expect(b"back\r\n")
    assert back.wait() == 4
    assert conman.ok("wait", "left") == "4\n"


def test_detached_prints_the_id(conman: Command, image: str, gone: list[str]) -> None:
    out = conman.ok("run", "-d", "--name", "behind", image, "sleep", "1000")
    gone.append("behind")
    assert len(out) == 65 and conman.inspect("behind")["Id"] == out.strip()


def test_rm_after_detach(conman: Command, image: str) -> None:
    id = conman.ok("run", "-d", "--rm", "-i", image, "sh", "-c", "read x; exit 5").strip()
    joined = conman("attach", id, stdin=b"go\n")
    assert joined.returncode == 5
    assert conman("inspect", id).returncode != 0
    assert conman.ok("ps", "-a", "-q") == ""


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signals_to_run_reach_the_process(conman: Command, image: str, number: int, code: int) -> None:
    done = conman.start("run", "--rm", "--init", image, "sh", "-c", "echo ready; exec sleep 1000")
    assert done.stdout is not None and done.stderr is not None
    assert done.stdout.readline() == b"ready\n"
    done.send_signal(number)
    assert done.wait(30) == code, done.stderr.read()
    done.stdout.close()
    done.stderr.close()


def test_large_output_without_a_reader_in_haste(conman: Command, image: str) -> None:
    done = conman.raw("run", "--rm", image, "sh", "-c", "head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2")
    assert (done.returncode, len(done.stdout), len(done.stderr)) == (0, 20_000_000, 3_000_000)


def test_names_in_use(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("mine")
    conman.ok("create", "--name", "mine", image, "true")
    done = conman("run", "--rm", "--name", "mine", image, "true")
    assert done.returncode == 125
    assert done.stderr.startswith('Error: ') and '"mine" is already in use' in done.stderr


def test_cidfile_and_pidfile(conman: Command, image: str, folder: Path, gone: list[str]) -> None:
    gone.append("filed")
    cid, pid = folder / "cid", folder / "pid"
    out = conman.ok("run", "-d", "--name", "filed", "--cidfile", str(cid), "--pidfile", str(pid), image, "sleep", "1000")
    assert cid.read_text() == out.strip()
    assert int(pid.read_text()) == conman.inspect("filed")["State"]["Pid"]
    again = conman("run", "--rm", "--cidfile", str(cid), image, "true")
    assert again.returncode == 125 and str(cid) in again.stderr
    assert conman.ok("rm", "-f", "-t", "0", "--cidfile", str(cid)).strip()


def test_files_named_on_the_command_line_go_with_rm(conman: Command, image: str, folder: Path) -> None:
    conman.ok("run", "--rm", "--cidfile", str(folder / "cid"), "--pidfile", str(folder / "pid"), image, "true")
    assert os.listdir(folder) == []


def test_nobody_reads_the_output(conman: Command, image: str) -> None:
    """As with a program that SIGPIPE ends; the container goes on by itself, and ``--rm`` is its shim's affair."""
    with conman.start("run", "--rm", image, "sh", "-c", "echo first; seq 1 200000; exit 3") as run:
        assert run.stdout is not None and run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert run.wait(30) == 141
        assert run.stderr.read() == b""
