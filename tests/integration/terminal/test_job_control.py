"""conman as a job of a shell with job control: stopped, continued, begun in the background."""

from __future__ import annotations

import os
import re
import signal

import pytest

from conman_kernel.testing.command import Command, Terminal

COOKED = b"stty -a | tr ' ' '\\n' | grep -c -x -e icanon -e echo -e isig -e opost\r"


def run(bash: Terminal, text: bytes) -> bytes:
    """Type a line at the shell; what came before its next prompt."""
    bash.type(text + b"\r")
    bash.expect(b"\r\n")  # its echo
    return bash.expect(b"ready> ")


def job(bash: Terminal) -> int:
    """The process id of the one job: its group's first."""
    return int(re.findall(rb"\d+", run(bash, b"jobs -p"))[0])


def mode(bash: Terminal) -> bytes:
    """How many of four modes a shell's command finds set."""
    return re.findall(rb"\d+", run(bash, COOKED.rstrip()))[0]


def inside(bash: Terminal, word: bytes) -> None:
    """Have the container's shell say something."""
    bash.type(b"echo " + word[:2] + b"''" + word[2:] + b"\r")
    bash.expect(word + b"\r\n")


@pytest.mark.parametrize("name", ["TSTP", "TTIN", "TTOU", "STOP"])
def test_stopped_and_brought_back(conman: Command, host: str, bash: Terminal, name: str, until) -> None:
    bash.type(b"conman attach host & jobs -p; fg\r")
    pid = int(re.findall(rb"\n(\d+)\r", bash.expect(b"\nconman attach host\r\n"))[-1])
    inside(bash, b"first")
    os.kill(pid, getattr(signal, f"SIG{name}"))
    bash.expect(b"ready> ")
    assert mode(bash) == b"4"
    run(bash, b"stty -echoctl")  # a changed mode is what it comes back to
    bash.type(b"fg\r")
    bash.expect(b"\nconman attach host\r\n")
    inside(bash, b"second")
    bash.type(b"\x10\x11")
    bash.expect(b"ready> ")
    assert b"-echoctl" in run(bash, b"stty -a")


def test_the_size_changed_while_it_was_stopped(conman: Command, host: str, bash: Terminal) -> None:
    bash.type(b"conman attach host & jobs -p; fg\r")
    pid = int(re.findall(rb"\n(\d+)\r", bash.expect(b"\nconman attach host\r\n"))[-1])
    inside(bash, b"first")
    os.kill(pid, signal.SIGTSTP)
    bash.expect(b"ready> ")
    bash.resize(41, 101)
    bash.type(b"fg\r")
    bash.expect(b"\nconman attach host\r\n")
    bash.type(b"while [ \"$(stty size)\" != '41 101' ]; do sleep 0.02; done; echo sized''up\r")
    bash.expect(b"sizedup\r\n")
    bash.type(b"\x10\x11")
    bash.expect(b"ready> ")


def test_begun_in_the_background_it_waits_for_the_foreground(conman: Command, image: str, gone: list[str], bash: Terminal,
                                                             until) -> None:
    gone.append("back")
    bash.type(f"conman run -it --name back {image} sh &\r".encode())
    bash.expect(b"ready> ")
    until(lambda: b"Stopped" in run(bash, b"jobs"))
    assert mode(bash) == b"4"
    bash.type(b"fg\r")
    bash.expect(b"# ")
    inside(bash, b"front")
    bash.type(b"exit 9\r")
    bash.expect(b"ready> ")
    assert b"9" in run(bash, b"echo $?")
    assert mode(bash) == b"4"


def test_in_the_background_it_stops_again(conman: Command, host: str, bash: Terminal, until) -> None:
    bash.type(b"conman attach host & jobs -p; fg\r")
    pid = int(re.findall(rb"\n(\d+)\r", bash.expect(b"\nconman attach host\r\n"))[-1])
    inside(bash, b"first")
    os.kill(pid, signal.SIGTSTP)
    bash.expect(b"ready> ")
    run(bash, b"bg")
    until(lambda: b"Stopped" in run(bash, b"jobs"))
    assert mode(bash) == b"4"
    bash.type(b"fg\r")
    bash.expect(b"\nconman attach host\r\n")
    inside(bash, b"second")
    os.kill(pid, signal.SIGTERM)
    bash.expect(b"ready> ")
    assert b"143" in run(bash, b"echo $?")


def test_killed_while_it_is_stopped(conman: Command, host: str, bash: Terminal) -> None:
    bash.type(b"conman attach host & jobs -p; fg\r")
    pid = int(re.findall(rb"\n(\d+)\r", bash.expect(b"\nconman attach host\r\n"))[-1])
    inside(bash, b"first")
    os.kill(pid, signal.SIGTSTP)
    bash.expect(b"ready> ")
    ended = os.pidfd_open(pid)
    run(bash, b"kill %1")  # bash continues a stopped job that it sends SIGTERM to
    os.close(ended)
    run(bash, b"wait")
    assert mode(bash) == b"4"
    assert conman.ok("exec", host, "echo", "lives") == "lives\n"


def test_ctrl_z_is_the_containers(host: str, bash: Terminal) -> None:
    bash.type(b"conman attach host\r")
    inside(bash, b"first")
    bash.type(b"sh -c 'echo as\"\"leep; exec sleep 1000'\r")
    bash.expect(b"asleep\r\n")
    bash.type(b"\x1a")
    bash.expect(b"Stopped")
    inside(bash, b"second")
    bash.type(b"\x10\x11")
    bash.expect(b"ready> ")
    assert b"Stopped" not in run(bash, b"jobs")
