"""Docker's own command against the server: where it is not on PATH, ``conftest.py`` leaves this file out."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.testing.command import Terminal

from .conftest import DOCKER, Server

WAIT = 60
assert DOCKER is not None


class Docker:
    """The command, told to talk to the server."""

    def __init__(self, server: Server, home: Path) -> None:
        self.head = [str(DOCKER), "-H", f"unix://{server.path}"]
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm"}

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end."""
        source: dict[str, object] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        return subprocess.run([*self.head, *arguments], capture_output=True, timeout=WAIT, env=self.environ, **source)  # type: ignore[call-overload]

    def ok(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Insist on success; its output."""
        done = self(*arguments, stdin=stdin)
        assert done.returncode == 0, done
        return done.stdout

    def on_terminal(self, *arguments: str) -> Terminal:
        """Begin it on a terminal."""
        return Terminal([*self.head, *arguments], self.environ, 31, 97)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin it with pipes."""
        return subprocess.Popen([*self.head, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.environ)


@pytest.fixture
def docker(server: Server, tmp_path: Path) -> Docker:
    """The command."""
    return Docker(server, tmp_path)


@pytest.fixture
def box(docker: Docker, image: str) -> Iterator[Callable[..., str]]:
    """Runs containers detached, by the options before and the command after the image; removed at the end."""
    made: list[str] = []

    def run(*options: str, command: tuple[str, ...] = ("sleep", "600")) -> str:
        made.append(docker.ok("run", "-d", *options, image, *command).decode().strip())
        return made[-1]

    yield run
    for id in made:
        docker.ok("rm", "-f", id)


def test_run_keeps_streams_and_exit_code_apart(docker: Docker, image: str) -> None:
    done = docker("run", "--rm", image, "sh", "-c", "echo out; echo err >&2; exit 42")
    assert (done.returncode, done.stdout, done.stderr) == (42, b"out\n", b"err\n")


def test_run_i_with_input_from_a_pipe(docker: Docker, image: str) -> None:
    sent = os.urandom(4 << 20)
    got = docker.ok("run", "--rm", "-i", image, "cat", stdin=sent)
    assert hashlib.sha256(got).digest() == hashlib.sha256(sent).digest()


def test_run_it_is_a_terminal(docker: Docker, image: str) -> None:
    with_shell = docker.on_terminal("run", "--rm", "-it", image, "sh")
    with_shell.type(b"stty size; echo re''ady\n")
    assert b"31 97\r\n" in with_shell.expect(b"ready\r\n")
    with_shell.resize(40, 120)
    with_shell.type(b"while ! stty size | grep '40 120'; do sleep 0.02; done\n")
    with_shell.expect(b"40 120\r\n")
    with_shell.type(b"exit 6\n")
    assert with_shell.wait(WAIT) == 6


def test_what_cannot_be_run(docker: Docker, image: str) -> None:
    done = docker("run", "--rm", image, "no-such-command")
    assert done.returncode == 127 and b"no-such-command" in done.stderr
    refused = docker("run", "--rm", "-v", "/:/host", image, "true")
    assert refused.returncode == 125 and b"does not offer Binds" in refused.stderr


def test_attach_detach_and_attach_again(docker: Docker, box: Callable[..., str]) -> None:
    id = box("-it", command=("sh",))
    for turn in (b"1", b"2"):
        screen = docker.on_terminal("attach", id)
        screen.type(b"echo turn''" + turn + b"\n")
        screen.expect(b"turn" + turn + b"\r\n")
        screen.type(b"\x10\x11")
        screen.wait(WAIT)
    last = docker.on_terminal("attach", id)
    last.type(b"exit 3\n")
    assert last.wait(WAIT) == 3


def test_exec(docker: Docker, box: Callable[..., str]) -> None:
    id = box()
    done = docker("exec", "-i", "-e", "A=b", "-w", "/bin", id, "sh", "-c", "cat; pwd; echo $A >&2; exit 9", stdin=b"in\n")
    assert (done.returncode, done.stdout, done.stderr) == (9, b"in\n/bin\n", b"b\n")
    assert docker("exec", id, "no-such-command").returncode == 127
    assert docker("exec", "-d", id, "true").returncode == 0
    shell = docker.on_terminal("exec", "-it", id, "sh")
    shell.type(b"while ! stty size | grep '31 97'; do sleep 0.02; done; exit 8\n")
    shell.expect(b"31 97\r\n")
    assert shell.wait(WAIT) == 8


def test_logs_wait_ps_kill_start(docker: Docker, box: Callable[..., str]) -> None:
    id = box("-i", "--name", "talker", command=("sh", "-c", "echo begin; read x; echo end; exit 5"))
    following, waiting = docker.start("logs", "-f", "talker"), docker.start("wait", "talker")
    assert following.stdout is not None and waiting.stdout is not None
    assert following.stdout.readline() == b"begin\n"
    assert b"talker" in docker.ok("ps")
    docker("attach", "talker", stdin=b"\n")
    assert following.communicate(timeout=WAIT)[0] == b"end\n"
    assert waiting.communicate(timeout=WAIT)[0] == b"5\n"
    assert docker.ok("logs", "--tail", "1", "talker") == b"end\n"
    assert docker.ok("inspect", "-f", "{{.State.ExitCode}} {{.Name}}", id) == b"5 /talker\n"
    again = docker("start", "-ai", "talker", stdin=b"\n")
    assert (again.returncode, again.stdout) == (5, b"begin\nend\n")
    docker.ok("start", "talker")
    docker.ok("kill", "-s", "KILL", "talker")
    assert docker.ok("wait", "talker") == b"137\n"


def test_a_killed_client_leaves_the_container(docker: Docker, image: str, box: Callable[..., str]) -> None:
    id = box("-i", command=("sh", "-c", "while read x; do echo got $x; done"))
    for turn in (b"1\n", b"2\n"):
        client = docker.start("attach", id)
        assert client.stdin is not None and client.stdout is not None
        client.stdin.write(turn)
        client.stdin.flush()
        assert client.stdout.readline() == b"got " + turn
        client.kill()
        client.communicate(timeout=WAIT)
    assert docker.ok("inspect", "-f", "{{.State.Running}}", id) == b"true\n"
