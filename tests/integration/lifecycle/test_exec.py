"""exec: streams, identity, exit codes; and that nothing said at once is lost."""

from __future__ import annotations

from typing import Iterator

import pytest

from conman_kernel.testing.command import Command


@pytest.fixture
def host(conman: Command, image: str) -> Iterator[str]:
    """A container that runs."""
    conman.ok("run", "-d", "--name", "host", "-e", "FROM=run", image, "sleep", "1000")
    yield "host"
    conman.ok("rm", "-f", "-t", "0", "host")


def test_what_a_fast_command_says_is_never_lost(conman: Command, host: str) -> None:
    for number in range(25):
        done = conman("exec", host, "echo", str(number))
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{number}\n", "")


@pytest.mark.stress
def test_what_a_fast_command_says_is_never_lost_in_hundreds(conman: Command, host: str) -> None:
    for number in range(300):
        assert conman("exec", host, "sh", "-c", f"echo {number}; echo {number} >&2").stdout == f"{number}\n"


@pytest.mark.parametrize("redirect", ["", ">&2"])
def test_much_output_at_once(conman: Command, host: str, redirect: str) -> None:
    done = conman.raw("exec", host, "sh", "-c", f"yes | head -c 900000 {redirect}")
    assert (done.returncode, len(done.stdout + done.stderr)) == (0, 900_000)


def test_error_output_that_comes_before_the_runtime_has_ended(conman: Command, host: str) -> None:
    # Standard error is also what the runtime itself writes to; the process may be at it long before the runtime returns.
    for _ in range(10):
        done = conman.raw("exec", host, "sh", "-c", "seq 1 12000 >&2")
        assert done.stderr.split() == [b"%d" % n for n in range(1, 12001)]


def test_streams_and_exit_code(conman: Command, host: str) -> None:
    done = conman("exec", "-i", host, "sh", "-c", "cat; echo err >&2; exit 42", stdin=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (42, "in\n", "err\n")


def test_a_terminal(conman: Command, host: str) -> None:
    terminal = conman.on_terminal("exec", "-it", host, "sh", rows=33, columns=99)
    terminal.type(b"stty size; exit 5\n")
    terminal.expect(b"33 99\r\n")
    assert terminal.wait() == 5


def test_identity_folder_and_environment(conman: Command, host: str) -> None:
    out = conman.ok("exec", "-u", "65534:65534", "-w", "/tmp", "-e", "A=b", host, "sh", "-c", "id -u; id -g; pwd; echo $A $FROM")
    assert out == "65534\n65534\n/tmp\nb run\n"


def test_detached(conman: Command, host: str) -> None:
    id = conman.ok("exec", "-d", host, "sh", "-c", "echo done > /mark").strip()
    assert len(id) == 64
    assert conman.ok("exec", host, "sh", "-c", "while ! [ -s /mark ]; do sleep 0.02; done; cat /mark") == "done\n"


@pytest.mark.parametrize("command, code", [("nosuch", 127), ("/etc", 126)])
def test_what_cannot_be_started(conman: Command, host: str, command: str, code: int) -> None:
    done = conman("exec", host, command)
    assert done.returncode == code and done.stderr.startswith("Error: ") and command in done.stderr


def test_in_a_container_that_does_not_run(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("idle")
    conman.ok("create", "--name", "idle", image, "true")
    done = conman("exec", "idle", "true")
    assert done.returncode == 255 and "running" in done.stderr


def test_in_no_container(conman: Command) -> None:
    done = conman("exec", "nobody", "true")
    assert done.returncode == 125 and "no such container" in done.stderr


def test_an_exec_ends_with_its_container(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("short")
    conman.ok("run", "-d", "--name", "short", image, "sleep", "1000")
    inside = conman.start("exec", "short", "sh", "-c", "echo up; sleep 1000")
    assert inside.stdout is not None
    assert inside.stdout.readline() == b"up\n"
    conman.ok("kill", "short")
    inside.communicate(timeout=30)
    assert inside.returncode == 137
    assert conman.ok("wait", "short") == "137\n"
