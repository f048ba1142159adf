"""A store with one image, a server on a unix socket, and the rule that a test leaves the store as it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.testing.aftermath import differences, look
from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image
from conman_kernel.testing.registry import Registry

from .client import Client

HERE = Path(__file__).resolve().parents[1]
DOCKER = shutil.which("docker")
NEEDS_DOCKER = "test_docker_cli.py"
collect_ignore = [] if DOCKER else [NEEDS_DOCKER]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what this host cannot try."""
    if not DOCKER:
        terminalreporter.line(f"left out, as docker's CLI is not on PATH: examples/session-server/tests/{NEEDS_DOCKER}")


@pytest.fixture(scope="session")
def image() -> Iterator[str]:
    """The name of an image on a loopback registry."""
    with Registry() as registry:
        registry.add_image(busybox_image(), "box:latest")
        yield f"{registry.host}/box:latest"


@pytest.fixture(scope="session")
def conman(image: str) -> Iterator[Command]:
    """The command, on a store that has the image and has run it once."""
    folder = tempfile.mkdtemp(prefix="cs-", dir="/dev/shm")
    command = Command(folder)
    command.ok("pull", "-q", image)
    command.ok("run", "--rm", image, "true")
    yield command
    command.clear()
    shutil.rmtree(folder)


class Server:
    """A server process."""

    def __init__(self, conman: Command, *addresses: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-W", "error", "-m", "session_server", *addresses], stdout=subprocess.PIPE,
                                        env={**conman.environ, "PYTHONPATH": f"{HERE}:{os.environ.get('PYTHONPATH', '')}"})
        assert self.process.stdout is not None
        said = self.process.stdout.readline().decode()
        assert said.startswith("listening on "), said
        self.addresses = said.removeprefix("listening on ").strip().split(", ")
        self.path = self.addresses[0].removeprefix("unix://")

    def client(self) -> Client:
        """A client of it."""
        return Client(self.path)

    def close(self) -> int:
        """End it by SIGTERM; its exit status. May be called twice."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def servers(conman: Command) -> Iterator[Callable[..., Server]]:
    """Starts servers that end with the test, if not before."""
    begun: list[Server] = []

    def begin(*addresses: str) -> Server:
        begun.append(Server(conman, *(addresses or (f"unix://{conman.folder}/api-{len(begun)}/docker.sock",))))
        return begun[-1]

    yield begin
    assert [server.close() for server in begun] == [0] * len(begun)


@pytest.fixture(scope="session")
def server(conman: Command) -> Iterator[Server]:
    """A server that lasts."""
    lasting = Server(conman, f"unix://{conman.folder}/api/docker.sock")
    yield lasting
    assert lasting.close() == 0


@pytest.fixture
def api(server: Server) -> Client:
    """A client of it."""
    return server.client()


@pytest.fixture(autouse=True)
def left_as_it_was(conman: Command, server: Server) -> Iterator[None]:
    """Mounts, cgroups, processes, files and rows after the test are as they were before."""
    before = look(conman.root, conman.run_root)
    yield
    left = differences(before, conman.root, conman.run_root)
    if left:
        conman.clear()
    assert not left, "\n".join(left)
