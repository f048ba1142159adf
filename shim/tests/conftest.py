"""A bare client of PROTOCOL.md, so that the tests prove the page and not the kernel's client."""

from __future__ import annotations

import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

import pytest

from .pipes import Pipe

SOURCE = Path(__file__).resolve().parents[1] / "src"
FAKE = Path(__file__).with_name("fake_runtime.py")
BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from conman_shim.main import main; main()"
PATIENCE = 20.0


def parsed(packet: bytes) -> tuple[str, dict[str, str]]:
    name, *records = packet.decode("utf-8", "surrogateescape").split("\0")
    return name, dict(record.split("=", 1) for record in records if record)


def members(sessions: list[int]) -> list[int]:
    """Handles of the processes of these sessions (a shim begins one)."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            handle = os.pidfd_open(int(name))
        except (ProcessLookupError, OSError):
            continue  # it ended while we looked, or is a thread of another
        try:
            session = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[3])
        except (FileNotFoundError, ProcessLookupError):
            session = 0
        if session in sessions:
            found.append(handle)
        else:
            os.close(handle)
    return found


def end(handles: list[int]) -> None:
    """Kill processes, wait for their ends, and close their handles."""
    for handle in handles:
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            continue
    while handles:
        assert select.select([handles[-1]], [], [], PATIENCE)[0], "not even SIGKILL ends it"
        os.close(handles.pop())


class Client:
    """One connection to the attach socket."""

    def __init__(self, path: str, flags: int = 7, version: int = 1, *, fds: tuple[int, ...] = (), hello: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        self.socket.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        os.close(folder)
        if hello:
            socket.send_fds(self.socket, [bytes((1, version, flags))], fds)

    def frame(self) -> tuple[int, bytes]:
        """The next one; (0, b"") at the end."""
        packet = self.socket.recv(1 << 17)
        return (packet[0], packet[1:]) if packet else (0, b"")

    def output(self) -> tuple[bytes, bytes, tuple[int, bytes]]:
        """All of both streams, and the frame after them."""
        out, err = bytearray(), bytearray()
        while True:
            kind, payload = self.frame()
            if kind == 0x83:
                out += payload
            elif kind == 0x84:
                err += payload
            elif kind != 0x87:
                return bytes(out), bytes(err), (kind, payload)

    def until(self, text: bytes) -> bytes:
        """Standard output up to and including ``text``."""
        out = bytearray()
        while text not in out:
            kind, payload = self.frame()
            assert kind in (0x83, 0x87), (kind, payload, bytes(out))
            if kind == 0x83:
                out += payload
        return bytes(out)

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.socket.send(bytes((kind,)) + payload)

    def close(self) -> None:
        self.socket.close()


class Rig:
    """One shim under test, in a folder of its own.

    :param boot: the Python that starts it.
    """

    def __init__(self, folder: Path, boot: str = BOOT) -> None:
        self.folder = folder
        self.boot = boot
        self.clients: list[Client] = []
        self.processes: list[int] = []
        self.shims: list[int] = []
        self.launch()

    def launch(self) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(PATIENCE)
        code = f"import os; os.dup2({theirs.fileno()}, 3); os.execv({sys.executable!r}, " \
               f"[{sys.executable!r}, '-I', '-S', '-c', {self.boot!r}, {str(SOURCE)!r}])"
        subprocess.run([sys.executable, "-I", "-S", "-c", code], pass_fds=[theirs.fileno()], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       start_new_session=True)
        theirs.close()
        name, ready = self.heard()
        assert name == "ready"
        assert ready["version"] == "1"
        self.pid = int(ready["pid"])
        self.handle = os.pidfd_open(self.pid)
        self.shims.append(self.pid)

    def relaunch(self) -> None:
        """Another shim in the place of one that is gone."""
        self.control.close()
        os.close(self.handle)
        self.launch()

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def runtime(self, *program: str, options: tuple[str, ...] = ()) -> list[str]:
        return [sys.executable, "-I", "-S", str(FAKE), self.path("pid"), *options, "--", *program]

    def configure(self, create: list[str], *extra: str) -> None:
        """``extra`` are records; one for a key that is set here replaces it."""
        usual = ["version=1", "id=c1", f"pid_file={self.path('pid')}", f"exit_file={self.path('exit')}",
                 f"lock={self.path('lock')}", f"socket={self.path('attach.sock')}", f"log_path={self.path('log')}",
                 f"error_log={self.path('error')}"]
        keys = {record.split("=")[0] for record in extra}
        records = [r for r in usual if r.split("=")[0] not in keys] + [f"create={a}" for a in create] + list(extra)
        self.control.send(b"config\0" + b"".join(os.fsencode(r) + b"\0" for r in records))

    def heard(self) -> tuple[str, dict[str, str]]:
        """The next message but `listening`; ("", {}) at the end."""
        name, records = self.heard_next()
        return self.heard() if name == "listening" else (name, records)

    def heard_next(self) -> tuple[str, dict[str, str]]:
        """As :meth:`heard`, with `listening`."""
        packet = self.control.recv(1 << 18)
        return parsed(packet) if packet else ("", {})

    def created(self) -> int:
        name, records = self.heard()
        assert name == "created", (name, records)
        try:
            self.processes.append(os.pidfd_open(int(records["pid"])))
        except ProcessLookupError:
            pass  # it has ended already, and was reaped
        return int(records["pid"])

    def start(self, create: list[str], *extra: str) -> int:
        """Configure, wait, say started."""
        self.configure(create, *extra)
        pid = self.created()
        self.say("started")
        return pid

    def say(self, name: str) -> None:
        self.control.send(name.encode() + b"\0")

    def exited(self) -> dict[str, str]:
        name, records = self.heard()
        assert name == "exited", (name, records)
        return records

    def another(self) -> Rig:
        """A second shim for the same files."""
        return Rig(self.folder)

    def client(self, flags: int = 7, *, version: int = 1, path: str = "", fds: tuple[int, ...] = ()) -> Client:
        """Connect and say hello. ``fds`` go with it."""
        client = Client(path or self.path("attach.sock"), flags, version, fds=fds)
        self.clients.append(client)
        return client

    def stranger(self) -> Client:
        """Connect and say nothing a shim knows."""
        client = Client(self.path("attach.sock"), hello=False)
        self.clients.append(client)
        return client

    def attach(self, flags: int = 7, *, path: str = "") -> Client:
        """Join, and take the welcome."""
        client = self.client(flags, path=path)
        kind, _ = client.frame()
        assert kind == 0x81
        return client

    def welcomed(self, flags: int, *fds: int) -> tuple[Client, int]:
        """Join; with the flags of the welcome."""
        client = self.client(flags, fds=fds)
        kind, payload = client.frame()
        assert kind == 0x81, (kind, payload)
        return client, payload[1]

    def cpu_while_idle(self) -> float:
        """Seconds of processor time that the shim takes while nothing happens."""
        def used() -> float:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        select.select([self.handle], [], [], 0.3)  # let what is under way settle
        before = used()
        select.select([self.handle], [], [], 0.5)
        return used() - before

    def pipes(self) -> set[str]:
        """The pipes that the shim holds, as /proc names them."""
        found = set()
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found.add(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
            except FileNotFoundError:
                continue  # closed this very moment
        return found

    def lets_go_of(self, *names: str) -> None:
        """Wait until the shim holds none of these."""
        deadline = time.monotonic() + PATIENCE
        while set(names) & self.pipes():
            assert time.monotonic() < deadline, "it still holds them"
            select.select([self.handle], [], [], 0.01)

    def gone(self) -> None:
        """Wait for the end of the shim's process (or of what it became)."""
        assert select.select([self.handle], [], [], PATIENCE)[0], "the shim lives on"

    def log(self) -> list[tuple[str, str, str]]:
        """(stream, tag, text) of every record."""
        text = (self.folder / "log").read_bytes().decode("utf-8", "surrogateescape")
        lines = text.split("\n")
        assert lines.pop() == "", "the log ends in the middle of a record"
        return [(s, t, rest) for _, s, t, rest in (line.split(" ", 3) for line in lines)]

    def logged(self, stream: str = "stdout") -> str:
        """What the log says the stream was."""
        return "".join(text + ("\n" if tag == "F" else "") for s, tag, text in self.log() if s == stream)

    def exit_file(self) -> dict[str, str]:
        return dict(line.split("=") for line in (self.folder / "exit").read_text().splitlines())

    def locked(self) -> bool:
        with (self.folder / "lock").open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.control.close()
        end(self.processes)
        ended = bool(select.select([self.handle], [], [], PATIENCE)[0])
        end([self.handle])
        # What is left of a shim's session: its runtime and strays, or all, where the shim was killed.
        end(members(self.shims))
        assert ended, "the shim did not end"
        if (self.folder / "error").exists():
            raise AssertionError((self.folder / "error").read_text())


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="shim-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def rig(folder: Path) -> Iterator[Rig]:
    made = Rig(folder)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def out() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.fixture
def err() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


@pytest.fixture
def source() -> Iterator[Pipe]:
    made = Pipe(to_shim=True)
    yield made
    made.close()
