"""What a container has used of its host, as its cgroup counts it: on v1, v2 and hybrid hosts. Only files are read.

Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst (``cpu.stat``, ``memory.current``, ``pids.current``,
``io.stat``) and cgroup-v1 (cpuacct, memory, pids, blkio-controller).
"""

from __future__ import annotations

import errno
import os
from typing import Mapping

from ..oci.runtime.request import HostFacts
from ..record import Record
from .cgroups import relative

_PIECE = 65_536
_READ = os.O_RDONLY | os.O_CLOEXEC
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


class UsageReader:
    """Reads it, of one container after another: each takes some ten microseconds a file."""

    __slots__ = ("_facts", "_folders", "_unified")

    def __init__(self, facts: HostFacts) -> None:
        self._facts = facts
        self._unified = facts.cgroups[0].path if facts.cgroup_mode == "v2" else ""
        self._folders = {controller: mount.path for mount in facts.cgroups if not mount.unified
                         for controller in mount.controllers}

    def read(self, container: str) -> CgroupUsage:
        """Read it now.

        :param container: its id.
        """
        place = relative(self._facts, container)
        return _unified(f"{self._unified}/{place}") if self._unified else _separate(self._folders, place)


def _unified(folder: str) -> CgroupUsage:
    read = written = 0
    for line in _read(f"{folder}/io.stat").splitlines():
        for word in line.split()[1:]:
            key, _, value = word.partition(b"=")
            if key == b"rbytes":
                read += int(value)
            elif key == b"wbytes":
                written += int(value)
    cpu = 0
    for line in _read(f"{folder}/cpu.stat").splitlines():
        key, _, value = line.partition(b" ")
        if key == b"usage_usec":
            cpu = int(value) * 1000
    return CgroupUsage(cpu, _number(f"{folder}/memory.current"), _number(f"{folder}/memory.max"),
                       _number(f"{folder}/pids.current"), read, written)


def _separate(folders: Mapping[str, str], place: str) -> CgroupUsage:
    read = written = cpu = memory = limit = pids = 0
    if "cpuacct" in folders:
        cpu = _number(f"{folders['cpuacct']}/{place}/cpuacct.usage")
    if "memory" in folders:
        memory = _number(f"{folders['memory']}/{place}/memory.usage_in_bytes")
        limit = _number(f"{folders['memory']}/{place}/memory.limit_in_bytes")
    if "pids" in folders:
        pids = _number(f"{folders['pids']}/{place}/pids.current")
    if "blkio" in folders:
        for line in _read(f"{folders['blkio']}/{place}/blkio.throttle.io_service_bytes_recursive").splitlines()[:-1]:
            _, kind, count = line.split()  # the last line is a total
            if kind == b"Read":
                read += int(count)
            elif kind == b"Write":
                written += int(count)
    return CgroupUsage(cpu, memory, limit, pids, read, written)


def _number(path: str) -> int:
    """A file of one number; 0 where it says ``max``, or is not there."""
    try:
        fd = os.open(path, _READ)
        try:
            text = os.read(fd, 64)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in _GONE:
            return 0
        raise
    return int(text) if text[:1].isdigit() else 0


def _read(path: str) -> bytes:
    """A counter file of several lines; empty where it, or its cgroup, is gone."""
    try:
        return whole(path)
    except OSError as error:
        if error.errno in _GONE:
            return b""
        raise


def whole(path: str) -> bytes:
    """A file that the kernel makes up, of any length: it gives a page or so at a time.

    :raises OSError: as open(2) and read(2) do.
    """
    fd = os.open(path, _READ)
    try:
        text = b""
        while piece := os.read(fd, _PIECE):
            text += piece
        return text
    finally:
        os.close(fd)
