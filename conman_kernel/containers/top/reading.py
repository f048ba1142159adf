"""Which processes are in a container, and what /proc says of each (proc(5)). One that ends meanwhile is left out."""

from __future__ import annotations

import errno
import os
import time
from typing import Iterator

from ...record import Record
from .. import cgroups
from ..context import Context
from ..rows import ContainerRow

_GONE = (errno.ENOENT, errno.ESRCH)
_TICKS = os.sysconf("SC_CLK_TCK")
_CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


class Process(Record):
    """One process. Its own ids are those that it has in the container's process namespace.

    :param pid: in the container; ``hpid``: as the host numbers it.
    :param ppid: its parent's; 0 where that is outside.
    :param uids: real and effective; ``gids`` likewise.
    :param args: its command line; in brackets its name where it has none.
    :param cpu_ns: processor time it used; ``elapsed_ns``: since it began; ``started``: seconds since the epoch.
    :param tty: such as ``pts/0``; empty: none.
    :param vsz: KiB of address space; ``rss``: KiB in memory.
    :param capabilities: inherited, permitted, effective, bounding, ambient, as bit masks.
    :param seccomp: 0 none, 1 strict, 2 filter.
    """

    hpid: int
    pid: int
    ppid: int
    pgid: int
    uids: tuple[int, int]
    gids: tuple[int, int]
    groups: tuple[int, ...]
    comm: str
    args: tuple[str, ...]
    state: str
    nice: int
    cpu_ns: int
    elapsed_ns: int
    started: float
    tty: str
    vsz: int
    rss: int
    capabilities: tuple[int, ...]
    seccomp: int
    label: str


def processes(context: Context, row: ContainerRow) -> list[Process]:
    """Every process of a container that runs, those of its exec sessions too; by their numbers inside."""
    pids = sorted(set(cgroups.processes(context.facts, row.id)) | set(_of_namespace(row.pid)))
    found = {status["Pid"]: status for pid in pids if (status := _status(pid)) is not None}
    level = _level(found.get(str(row.pid)))
    inside = {int(pid): _inner(status, "NSpid", level) for pid, status in found.items()}
    made = [process for pid, status in found.items()
            if (process := _process(int(pid), status, inside, level)) is not None]
    return sorted(made, key=lambda process: process.pid)


def _of_namespace(main: int) -> Iterator[int]:
    """The processes in the process namespace of a container's main one, its zombies too; none where that is the host's."""
    try:
        own = os.readlink(f"/proc/{main}/ns/pid")
        if own == os.readlink("/proc/self/ns/pid"):
            yield main
            return
    except OSError:
        return
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.readlink(f"/proc/{name}/ns/pid") == own:
                    yield int(name)
            except OSError:
                continue  # gone, or another user's


def _status(pid: int) -> dict[str, str] | None:
    text = _read(f"/proc/{pid}/status")
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())} if text else None


def _level(status: dict[str, str] | None) -> int:
    """How deep the container's process namespace lies below ours: which of a process's numbers is the one inside."""
    return len(status.get("NSpid", "").split()) if status else 0


def _inner(status: dict[str, str], key: str, level: int) -> int:
    numbers = status.get(key, "").split()
    return int(numbers[level - 1] if 0 < level <= len(numbers) else numbers[-1]) if numbers else int(status["Pid"])


def _process(pid: int, status: dict[str, str], inside: dict[int, int], level: int) -> Process | None:
    stat = _read(f"/proc/{pid}/stat")
    if not stat:
        return None
    fields = stat[stat.rindex(")") + 2:].split()
    comm = stat[stat.index("(") + 1:stat.rindex(")")]
    words = tuple(word for word in _read(f"/proc/{pid}/cmdline").rstrip("\0").split("\0"))
    began = int(fields[19]) * (10**9 // _TICKS)
    elapsed = max(0, time.clock_gettime_ns(time.CLOCK_BOOTTIME) - began)
    uids, gids = status["Uid"].split(), status["Gid"].split()
    return Process(
        hpid=pid, pid=inside[pid], ppid=inside.get(int(status["PPid"]), 0), pgid=_inner(status, "NSpgid", level),
        uids=(int(uids[0]), int(uids[1])), gids=(int(gids[0]), int(gids[1])),
        groups=tuple(int(word) for word in status.get("Groups", "").split()), comm=comm,
        args=words if words != ("",) else (f"[{comm}]",), state=fields[0], nice=int(fields[16]),
        cpu_ns=(int(fields[11]) + int(fields[12])) * (10**9 // _TICKS), elapsed_ns=elapsed,
        started=time.time() - elapsed / 1e9, tty=_terminal(int(fields[4])), vsz=int(fields[20]) >> 10,
        rss=int(fields[21]) * (os.sysconf("SC_PAGE_SIZE") >> 10),
        capabilities=tuple(int(status.get(key, "0"), 16) for key in _CAPABILITIES),
        seccomp=int(status.get("Seccomp", "0")), label=_read(f"/proc/{pid}/attr/current").strip("\0\n"))


def _terminal(number: int) -> str:
    """What a device number names (Linux: Documentation/admin-guide/devices.txt)."""
    major, minor = os.major(number), os.minor(number)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return f"tty{minor}" if major == 4 and minor < 64 else ""


def _read(path: str) -> str:
    """A file of /proc; empty where its process is gone, or the kernel has no such file or does not show it."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        if error.errno in (*_GONE, errno.EINVAL, errno.EACCES, errno.EPERM):
            return ""
        raise
