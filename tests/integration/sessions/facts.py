"""Facts about processes that tests wait for or compare: what they hold open, what they have used, whether something is so yet."""

from __future__ import annotations

import hashlib
import os
import select
import socket
import subprocess
import time
from typing import IO, Callable, Protocol, TypeVar

from conman_kernel.testing.command import Command

Found = TypeVar("Found")
PATIENCE = 30.0
_TICK = os.sysconf("SC_CLK_TCK")


class Begin(Protocol):
    """Begins a command with pipes for its output; descriptors in ``fds`` are inherited."""

    def __call__(self, *arguments: str, stdin: int = ..., fds: tuple[int, ...] = ...) -> subprocess.Popen[bytes]: ...


def until(fact: Callable[[], Found], seconds: float = PATIENCE) -> Found:
    """Look again and again until something is true, and return it.

    :raises AssertionError: it is not in time.
    """
    end = time.monotonic() + seconds
    while True:
        found = fact()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {fact}"
        select.select([], [], [], 0.01)


def state(conman: Command, name: str) -> dict[str, object]:
    """``State`` of a container."""
    found = conman.inspect(name)["State"]
    assert isinstance(found, dict)
    return found


def pid_of(conman: Command, name: str) -> int:
    """Its main process."""
    return int(str(state(conman, name)["Pid"]))


def shim_of(pid: int) -> int:
    """The shim beside a main process: its parent."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        return int(stream.read().rpartition(")")[2].split()[1])


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, in user and kernel mode."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        fields = stream.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def still(pid: int) -> bool:
    """It sleeps, and does nothing in between two looks."""
    looks = []
    for _ in range(3):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
            fields = stream.read().rpartition(")")[2].split()
        with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
            switches = [line for line in stream if "ctxt_switches" in line]
        looks.append((fields[0], switches))
        select.select([], [], [], 0.1)
    return looks[0] == looks[1] == looks[2] and looks[0][0] == "S"


def memory_kib(pid: int, what: str = "VmRSS") -> int:
    """A line of ``/proc/PID/status``: ``VmRSS``, or ``VmHWM`` for the most it ever was."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as stream:
        return next(int(line.split()[1]) for line in stream if line.startswith(f"{what}:"))


def used_while_waiting(pid: int, seconds: float = 1.0) -> float:
    """The share of a processor that a process uses while nothing happens (or until it ends)."""
    handle = os.pidfd_open(pid)
    before = cpu_seconds(pid)
    ended, _, _ = select.select([handle], [], [], seconds)
    os.close(handle)
    assert not ended, "it was to go on"
    return (cpu_seconds(pid) - before) / seconds


def open_files(pid: int) -> dict[int, str]:
    """Descriptor -> what it is."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue  # closed while we looked
    return found


RESTING = 1
"""Sockets of a shim that nobody is attached to and no kernel speaks to: the one that listens."""


def sockets(pid: int) -> list[str]:
    """The sockets that a process holds."""
    return [what for what in open_files(pid).values() if what.startswith("socket:")]


def attach_socket(conman: Command, name: str) -> str:
    """Where a container's sessions connect."""
    return f"{conman.run_root}/containers/{conman.inspect(name)['Id']}/attach.sock"


def dial(path: str) -> socket.socket:
    """A bare connection to it; nothing said."""
    folder, file = os.path.split(path)
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.settimeout(PATIENCE)
    made.connect(f"/proc/self/fd/{handle}/{file}")
    os.close(handle)
    return made


def token() -> str:
    """Seconds to sleep that nobody else sleeps, so that :func:`running` finds that process alone."""
    return str(1_000_000 + int.from_bytes(os.urandom(3), "big"))


def running(*command: str) -> list[int]:
    """The processes with this command line."""
    wanted, found = "\0".join((*command, "")).encode(), []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as stream:
                if stream.read() == wanted:
                    found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found


def ended(pid: int, seconds: float = PATIENCE) -> bool:
    """Wait for the end of a process that need not be ours."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    found = bool(select.select([handle], [], [], seconds)[0])
    os.close(handle)
    return found


def digest(stream: IO[bytes], *, slowly: bool = False) -> tuple[str, int]:
    """Read to the end: sha256 and length.

    :param slowly: small reads, with a pause after every MiB, so that whoever writes has to wait.
    """
    sum, length, piece = hashlib.sha256(), 0, 4096 if slowly else 1 << 20
    while True:
        data = os.read(stream.fileno(), piece)
        if not data:
            return sum.hexdigest(), length
        sum.update(data)
        if slowly and length >> 20 != length + len(data) >> 20:
            select.select([], [], [], 0.002)
        length += len(data)


def finish(process: subprocess.Popen[bytes]) -> int:
    """Wait, close its pipes, return its exit code."""
    code = process.wait(PATIENCE)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return code
