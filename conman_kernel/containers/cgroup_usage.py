"""What a container has used of its host, as its cgroup counts it: on v1, v2 and hybrid hosts. Only files are read.

Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst (``cpu.stat``, ``memory.current``, ``pids.current``,
``io.stat``) and cgroup-v1 (cpuacct, memory, pids, blkio-controller).
"""

from __future__ import annotations

import errno
import os

from ..oci.runtime.request import HostFacts
from ..record import Record
from .cgroups import relative

_GONE = frozenset((errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP))


class CgroupUsage(Record):
    """What all processes of a cgroup and those below it used. Zeros where the host does not count it, or the cgroup is gone.

    :param cpu_ns: processor time since the cgroup was made, in nanoseconds.
    :param memory: bytes in use, the page cache among them.
    :param memory_limit: in bytes; 0: none.
    :param pids: processes and threads.
    :param block_in: bytes read from block devices; ``block_out``: written to them.
    """

    cpu_ns: int = 0
    memory: int = 0
    memory_limit: int = 0
    pids: int = 0
    block_in: int = 0
    block_out: int = 0


def read_usage(facts: HostFacts, container: str) -> CgroupUsage:
    """Read it now.

    :param container: its id.
    """
    place = relative(facts, container)
    if facts.cgroup_mode == "v2":
        return _unified(f"{facts.cgroups[0].path}/{place}")
    folders = {controller: f"{mount.path}/{place}"
               for mount in facts.cgroups if not mount.unified for controller in mount.controllers}
    return _separate(folders) if folders else CgroupUsage()


def _unified(folder: str) -> CgroupUsage:
    read = written = 0
    for line in _read(f"{folder}/io.stat").splitlines():
        for word in line.split()[1:]:
            key, _, value = word.partition("=")
            if key == "rbytes":
                read += int(value)
            elif key == "wbytes":
                written += int(value)
    cpu = 0
    for line in _read(f"{folder}/cpu.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == "usage_usec":
            cpu = int(value) * 1000
    return CgroupUsage(cpu, _number(f"{folder}/memory.current"), _number(f"{folder}/memory.max"),
                       _number(f"{folder}/pids.current"), read, written)


def _separate(folders: dict[str, str]) -> CgroupUsage:
    read = written = cpu = memory = limit = pids = 0
    if "cpuacct" in folders:
        cpu = _number(f"{folders['cpuacct']}/cpuacct.usage")
    if "memory" in folders:
        memory = _number(f"{folders['memory']}/memory.usage_in_bytes")
        limit = _number(f"{folders['memory']}/memory.limit_in_bytes")
    if "pids" in folders:
        pids = _number(f"{folders['pids']}/pids.current")
    if "blkio" in folders:
        for line in _read(f"{folders['blkio']}/blkio.throttle.io_service_bytes_recursive").splitlines():
            _, kind, *count = line.split()  # the last line is a total of two words
            if kind == "Read":
                read += int(count[0])
            elif kind == "Write":
                written += int(count[0])
    return CgroupUsage(cpu, memory, limit, pids, read, written)


def _number(path: str) -> int:
    """A file of one number; 0 where it says ``max``, or is not there."""
    text = _read(path, 64)
    return int(text) if text[:1].isdigit() else 0


def _read(path: str, size: int = 65_536) -> str:
    """A counter file, which the kernel gives in one piece where there is room; empty where it, or its cgroup, is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, size).decode("ascii")
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _GONE:
            return ""
        raise
