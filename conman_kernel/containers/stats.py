"""What containers use, sample by sample: read from the kernel's own counters, without a process or a runtime's command."""

from __future__ import annotations

import os
import time
from typing import Iterator, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput, InvalidState
from ..processes import boot_id
from ..record import Record
from . import rows
from .cgroup_usage import CgroupUsage, UsageReader, whole
from .context import Context
from .rows import ContainerRow
from .state import RUNNING, outward, refreshed

INTERVAL = 1.0
"""Seconds from one sample to the next, where the caller does not say."""


class ContainerStats(Record):
    """One sample of one container. All but its names are zero where it does not run.

    :param state: as of :attr:`.Container.state`.
    :param time: when it was taken, seconds since the epoch.
    :param cpu_percent: of one processor (two that are busy: 200.0), since the sample before; in the first one since its start.
    :param cpu_average: the same since its start.
    :param cpu_ns: processor time since its start, in nanoseconds.
    :param memory: bytes in use, the page cache among them.
    :param memory_limit: its own limit in bytes, or all that the host has.
    :param memory_percent: of ``memory_limit``.
    :param pids: processes and threads.
    :param network_in: bytes that came in by all interfaces of its network namespace but ``lo``; ``network_out``: that went out.
        Zero where it uses the host's network: nobody counts what is its own there.
    :param block_in: bytes read from block devices; ``block_out``: written to them.
    """

    id: str
    name: str
    state: str
    time: float
    cpu_percent: float = 0.0
    cpu_average: float = 0.0
    cpu_ns: int = 0
    memory: int = 0
    memory_limit: int = 0
    memory_percent: float = 0.0
    pids: int = 0
    network_in: int = 0
    network_out: int = 0
    block_in: int = 0
    block_out: int = 0


class Sampler:
    """Takes samples, and keeps of each container what the next one is compared with. One thread at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._usage = UsageReader(context.facts)
        self._before: dict[str, tuple[float, int, float]] = {}
        self._memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self._host = _network_of("self")

    def take(self, found: Sequence[ContainerRow]) -> list[ContainerStats]:
        """One sample of each, in their order.

        :param found: their rows as of now.
        """
        boot = boot_id()
        return [self._one(row, boot) for row in found]

    def _one(self, row: ContainerRow, boot: str) -> ContainerStats:
        usage, network = CgroupUsage(), (0, 0)
        if row.state in RUNNING:
            usage = self._usage.read(row.id)
            network = self._network(row.pid)
        # Asked last: what was read of one that has just ended may be another's by now.
        state, now, clock = outward(self._context, row, boot).state, time.time(), time.monotonic()
        if state not in RUNNING:
            self._before.pop(row.id, None)
            return ContainerStats(row.id, row.name, state, now)
        average = _percent(usage.cpu_ns, now - row.started)
        current = average
        started, cpu_before, clock_before = self._before.get(row.id, (0.0, 0, 0.0))
        if started == row.started and usage.cpu_ns >= cpu_before:
            current = _percent(usage.cpu_ns - cpu_before, clock - clock_before)
        self._before[row.id] = row.started, usage.cpu_ns, clock
        limit = min(usage.memory_limit or self._memory, self._memory)
        return ContainerStats(
            row.id, row.name, state, now, current, average, usage.cpu_ns, usage.memory, limit, usage.memory / limit * 100,
            usage.pids, *network, usage.block_in, usage.block_out)

    def _network(self, pid: int) -> tuple[int, int]:
        """Bytes in and out (proc(5), ``/proc/PID/net/dev``)."""
        namespace = _network_of(str(pid))
        if not namespace or namespace == self._host:
            return 0, 0
        try:
            lines = whole(f"/proc/{pid}/net/dev").splitlines()[2:]
        except OSError:
            return 0, 0  # it has ended
        came = went = 0
        for line in lines:
            name, _, numbers = line.partition(b":")
            if name.strip() != b"lo":
                words = numbers.split()
                came, went = came + int(words[0]), went + int(words[8])
        return came, went


def _network_of(pid: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _percent(nanoseconds: int, seconds: float) -> float:
    return nanoseconds / 1e7 / seconds if seconds > 0 else 0.0


def of_one(context: Context, row: ContainerRow, *, interval: float, cancel: Cancel) -> Iterator[ContainerStats]:
    """See :meth:`.Container.stats`."""
    _check(interval)
    now = refreshed(context, row.id)
    if outward(context, now).state not in RUNNING:
        raise InvalidState(f"container {row.name} is not running: container state improper")
    return _until_it_ends(context, now, interval, cancel)


def _until_it_ends(context: Context, row: ContainerRow, interval: float, cancel: Cancel) -> Iterator[ContainerStats]:
    from .stop import end_descriptor

    sampler = Sampler(context)
    ending = end_descriptor(row)
    try:
        while True:
            for sample in sampler.take([row]):
                if sample.state not in RUNNING:
                    return
                yield sample
            if cancel.wait_readable(*([ending] if ending >= 0 else []), timeout=interval):
                return
            row = refreshed(context, row.id)
    finally:
        if ending >= 0:
            os.close(ending)


def of_several(context: Context, ids: Sequence[str] | None, *, everything: bool, interval: float,
               cancel: Cancel) -> Iterator[tuple[ContainerStats, ...]]:
    """See :meth:`.Containers.stats`.

    :param ids: whole ones; None: of all that run, or that there are.
    """
    _check(interval)
    return _rounds(context, ids, everything, interval, cancel)


def _rounds(context: Context, ids: Sequence[str] | None, everything: bool, interval: float,
            cancel: Cancel) -> Iterator[tuple[ContainerStats, ...]]:
    sampler = Sampler(context)
    while True:
        if ids is not None:
            found = [refreshed(context, id) for id in ids]
        else:
            with context.index.read() as connection:
                found = rows.select(connection, None if everything else RUNNING)
        samples = sampler.take(found)
        yield tuple(sample for sample in samples if everything or ids is not None or sample.state in RUNNING)
        cancel.wait_readable(timeout=interval)


def _check(interval: float) -> None:
    if not interval > 0:
        raise InvalidInput("invalid interval, must be a positive number greater zero")
