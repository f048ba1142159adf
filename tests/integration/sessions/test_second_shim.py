"""Another program in the shim's place: ``tiny_shim``, written from ``shim/PROTOCOL.md`` alone, chosen by ``[shim] command``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import processes
from conman_kernel.testing.command import Command

from . import facts

TINY = Path(__file__).with_name("tiny_shim") / "tiny_shim.py"
MEMORY = "/dev/shm"


@pytest.fixture(scope="session")
def conman(box: str) -> Iterator[Command]:
    """The command, configured for the other shim, on a store of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ct-", dir=MEMORY))
    (folder / "config/conman").mkdir(parents=True)
    (folder / "config/conman/conman.toml").write_text(f"[shim]\ncommand = {json.dumps([sys.executable, str(TINY)])}\n")
    command = Command(str(folder))
    try:
        command.ok("pull", "-q", box)
        command.ok("run", "--rm", box, "true")
        facts.until(lambda: not processes(command.root, command.run_root))
        yield command
    finally:
        command.clear()
        shutil.rmtree(folder)


@pytest.fixture
def up(conman: Command, image: str, gone: list[str]) -> str:
    """A container that runs until it is told to stop."""
    gone.append("up")
    conman.ok("run", "-d", "--name", "up", image, "sh", "-c", "trap 'echo bye; exit 9' TERM; echo up; while :; do sleep 0.02; done")
    return "up"


def test_it_is_the_one_that_stands_there(conman: Command, up: str) -> None:
    pid = conman.inspect(up)["State"]["ConmonPid"]
    assert str(TINY).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    with open(f"/proc/{conman.inspect(up)['State']['Pid']}/stat") as stream:
        assert int(stream.read().rpartition(")")[2].split()[1]) == pid  # and the process is its child


def test_it_imports_nothing_of_the_project() -> None:
    parts = {path.name: path.read_text() for path in TINY.parent.glob("*.py")}
    assert len(parts) > 5 and [name for name, text in parts.items() if "conman" in text] == []


@pytest.mark.parametrize("code", [0, 1, 255])
def test_run_streams_and_exit_code(conman: Command, image: str, code: int) -> None:
    done = conman("run", "--rm", image, "sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert (done.returncode, done.stdout, done.stderr) == (code, "out\n", "err\n")


def test_what_cannot_be_started(conman: Command, image: str) -> None:
    done = conman("run", "--rm", image, "no-such-program")
    assert done.returncode == 127 and "no-such-program" in done.stderr


def test_run_with_input(conman: Command, image: str) -> None:
    data = os.urandom(3_000_000)
    done = conman.raw("run", "--rm", "-i", image, "cat", stdin=data)
    assert (done.returncode, done.stderr) == (0, b"") and done.stdout == data


def test_much_output(conman: Command, image: str) -> None:
    done = conman.raw("run", "--rm", image, "sh", "-c", "head -c 8000000 /dev/zero; head -c 1000000 /dev/zero >&2")
    assert (done.returncode, len(done.stdout), len(done.stderr)) == (0, 8_000_000, 1_000_000)


def test_run_on_a_terminal(conman: Command, image: str) -> None:
    terminal = conman.on_terminal("run", "--rm", "-it", image, "sh", rows=31, columns=97)
    terminal.type(b"stty size\n")
    terminal.expect(b"31 97\r\n")
    terminal.resize(20, 70)
    terminal.type(b"until test \"$(stty size)\" = '20 70'; do sleep 0.02; done; echo re''sized\n")
    terminal.expect(b"resized\r\n")
    terminal.type(b"(exit 6)\n\x04")
    assert terminal.wait() == 6


def test_the_end_of_input_is_typed_on_a_terminal(conman: Command, image: str) -> None:
    done = conman("run", "--rm", "-it", image, "cat", stdin=b"half a line")
    assert (done.returncode, done.stdout) == (0, "half a linehalf a line")


def test_exec(conman: Command, up: str) -> None:
    done = conman("exec", "-i", up, "sh", "-c", "cat; echo err >&2; exit 42", stdin=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (42, "in\n", "err\n")
    for number in range(5):
        assert conman.ok("exec", up, "echo", str(number)) == f"{number}\n"


def test_exec_on_a_terminal(conman: Command, up: str) -> None:
    terminal = conman.on_terminal("exec", "-it", up, "sh", rows=33, columns=99)
    terminal.type(b"stty size; exit 5\n")
    terminal.expect(b"33 99\r\n")
    assert terminal.wait() == 5


def test_logs_and_stop(conman: Command, up: str) -> None:
    follow = conman.start("logs", "-f", up)
    assert follow.stdout is not None and follow.stdout.readline() == b"up\n"
    conman.ok("stop", up)
    assert follow.communicate(timeout=30) == (b"bye\n", b"")
    assert conman.ok("logs", up) == "up\nbye\n"
    assert conman.ok("wait", up) == "9\n"


def test_attach_feeds_and_says_how_it_ended(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("fed")
    conman.ok("run", "-d", "-i", "--name", "fed", image, "sh", "-c", "read x; echo got $x; exit 8")
    done = conman("attach", "fed", stdin=b"bread\n")
    assert (done.returncode, done.stdout) == (8, "got bread\n")


def test_two_at_once_get_the_same(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("shared")
    conman.ok("create", "-i", "--name", "shared", image, "sh", "-c", "read a; echo $a; read b; echo $b; exit 3")
    first = conman.start("start", "-a", "-i", "shared", stdin=-1)
    assert first.stdin is not None and first.stdout is not None
    first.stdin.write(b"one\n")
    first.stdin.flush()
    assert first.stdout.readline() == b"one\n"
    second = conman("attach", "shared", stdin=b"two\n")
    assert (second.returncode, second.stdout) == (3, "two\n")
    out, _ = first.communicate(timeout=30)
    assert (first.returncode, out) == (3, b"two\n")


def test_a_detached_one_is_cleaned_up_and_removed(conman: Command, image: str) -> None:
    id = conman.ok("run", "-d", "--rm", image, "true").strip()
    conman("wait", id)
    assert conman("inspect", id).returncode != 0


def test_killed_by_signal_number_and_name(conman: Command, up: str) -> None:
    conman.ok("kill", "-s", "SIGKILL", up)
    assert conman.ok("wait", up) == f"{128 + signal.SIGKILL}\n"
