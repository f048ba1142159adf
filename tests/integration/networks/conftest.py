"""A store whose commands all run in a network namespace of the test's own: bridges, rules and ports appear there and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.networks.namespaces import Pinning, unpin
from conman_kernel.testing.aftermath import Aftermath, differences, look, processes, wait_gone
from conman_kernel.testing.command import Command

MEMORY = "/dev/shm"
SERVE = "mkdir -p /www; echo $0 > /www/index.html; exec httpd -f -p ${1:-80} -h /www"
"""A web server in the busybox image: its first word is the page, the second its port."""


class Host:
    """A network namespace that stands for a host's, and a store whose commands run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "host")
        self._pin()
        self.conman = Command(str(folder), {"CONMAN_CONTAINERS_NETWORK": "bridge"})
        self.conman.program = self.inside(*self.conman.program)
        self.image = ""
        self.quiet: Aftermath | None = None

    def _pin(self) -> None:
        Pinning(self.path).wait(Cancel(30.0))

    def new_namespace(self) -> None:
        """As after a reboot: a network namespace that nobody has done anything in."""
        unpin(self.path)
        self._pin()

    def inside(self, *argv: str) -> list[str]:
        """A command line that runs there."""
        return ["nsenter", f"--net={self.path}", *argv]

    def run(self, *argv: str) -> str:
        """Run a program of the host there, to its end."""
        return subprocess.run(self.inside(*argv), capture_output=True, text=True, check=True, timeout=60).stdout

    def here(self, work: Callable[[], object]) -> object:
        """Do something in a thread of this process that has entered the namespace."""
        result: list[object] = []
        errors: list[BaseException] = []

        def act() -> None:
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            fd = os.open(self.path, os.O_RDONLY)
            try:
                assert libc.setns(fd, 0x40000000) == 0, os.strerror(ctypes.get_errno())
                result.append(work())
            except BaseException as error:  # noqa: BLE001 (raised below, in the caller's thread)
                errors.append(error)
            finally:
                os.close(fd)

        thread = threading.Thread(target=act)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return result[0]

    def fetch(self, address: str, port: int, path: str = "/") -> str:
        """A page of a web server, asked for from the host."""
        import socket

        def ask() -> str:
            with socket.create_connection((address, port), timeout=10) as plug:
                plug.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                answer = b""
                while data := plug.recv(65536):
                    answer += data
            return answer.partition(b"\r\n\r\n")[2].decode()

        return str(self.here(ask)).strip()

    def facts(self) -> dict[str, list[str]]:
        """What the plugin and the kernel have of containers: rules with ports or addresses, interfaces, leases, namespaces."""
        rules = [line for line in self.run("iptables-save").splitlines() if "DNAT --to" in line]
        links = [line.split()[0].partition("@")[0] for line in self.run("ip", "-br", "link").splitlines()]
        leases = [str(path.relative_to(self.folder)) for path in (self.folder / "run/plugins").rglob("*")
                  if path.is_file() and path.name[0].isdigit()]
        pinned = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()
                  if line.split()[4].startswith(f"{self.folder}/run/") and line.split()[4].endswith("/netns")]
        return {"rules": rules, "veths": [link for link in links if link.startswith("veth")], "leases": leases, "pinned": pinned}

    def left(self) -> list[str]:
        """What differs from the quiet store; the plugin's own locks and empty folders are its affair."""
        assert self.quiet is not None
        plugins = f"{self.folder}/run/plugins/"
        return differences(self.quiet, self.conman.root, self.conman.run_root,
                           expected=lambda line: plugins in line and line.endswith(("lock", "/macs")))

    def nothing_left(self) -> None:
        """Insist that no container has left anything, in the namespace, on disk, in the index."""
        assert self.facts() == {"rules": [], "veths": [], "leases": [], "pinned": []}

    def close(self) -> None:
        """Remove everything."""
        self.conman.clear()
        assert wait_gone(set(processes(self.conman.root, self.conman.run_root)), 30.0)
        unpin(self.path)


@pytest.fixture
def host(box: str) -> Iterator[Host]:
    """A host with an image in its store, whose default network is ``bridge``."""
    with made_host(box) as made:
        yield made


@pytest.fixture(scope="module")
def shared(box: str) -> Iterator[Host]:
    """The same for a whole module, whose tests give their containers names of their own."""
    with made_host(box) as made:
        yield made


class made_host:
    """A host for one block."""

    def __init__(self, image: str) -> None:
        self.image = image

    def __enter__(self) -> Host:
        self.folder = Path(tempfile.mkdtemp(prefix="cn-", dir=MEMORY))
        self.host = Host(self.folder)
        # The registry of the tests is not in that namespace: the image is pulled from outside of it.
        outside = Command(str(self.folder))
        outside.ok("pull", "-q", self.image)
        self.host.image = self.image
        self.host.conman.ok("run", "--rm", self.image, "true")
        assert wait_gone(set(processes(outside.root, outside.run_root)), 30.0)
        self.host.quiet = look(outside.root, outside.run_root)
        return self.host

    def __exit__(self, *_: object) -> None:
        self.host.close()
        shutil.rmtree(self.folder)


@pytest.fixture
def left_as_it_was(host: Host) -> Iterator[None]:
    """Whatever the test did: no mount, cgroup, process, folder, address or rule is left of it."""
    yield
    host.conman.ok("network", "prune", "-f")
    assert host.left() == []
    host.nothing_left()
