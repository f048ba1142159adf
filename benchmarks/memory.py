"""What stands beside each running container: one process's memory, and the processor time it takes while nothing happens."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Mapping, NamedTuple

from context import Bench
from report import Row, Table

COUNT = 20
IDLE_SECONDS = 10.0
#: Title -> the fields of smaps_rollup that make it up.
KINDS = {"PSS (its share)": ("Pss",), "RSS (resident)": ("Rss",), "private": ("Private_Clean", "Private_Dirty")}


class Shim(NamedTuple):
    """The process beside one container. ``start`` tells it from a later one of the same id."""

    pid: int
    start: str
    name: str


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` (proc(5)) from the third, the state, on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()


def _shim_of(main: int) -> Shim:
    """The parent of a container's main process: shim, conmon and containerd-shim are all subreapers."""
    parent = int(_stat(main)[1])
    return Shim(parent, _stat(parent)[19], Path(f"/proc/{parent}/comm").read_text().strip())


def _memory(shim: Shim) -> Mapping[str, float]:
    """Kind -> KiB."""
    fields = {}
    for line in Path(f"/proc/{shim.pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, value = line.partition(":")
        fields[name] = int(value.split()[0])
    return {kind: sum(fields[name] for name in names) for kind, names in KINDS.items()}


def _ticks(shim: Shim) -> int:
    """User and system time so far, in clock ticks."""
    return sum(map(int, _stat(shim.pid)[11:13]))


def _nanoseconds(shim: Shim) -> int:
    """Time on a processor so far, of all its threads; 0 where the kernel does not count it."""
    total = 0
    for task in os.listdir(f"/proc/{shim.pid}/task"):
        path = Path(f"/proc/{shim.pid}/task/{task}/schedstat")
        total += int(path.read_text().split()[0]) if path.exists() else 0
    return total


def memory(bench: Bench) -> None:
    """20 containers that sleep, by each manager at once."""
    with bench.image(bench.everyone) as reference:
        shims: dict[str, list[Shim]] = {}
        for peer in bench.everyone:
            names = [f"bench-sleep-{number}" for number in range(COUNT)]
            for name in names:
                peer.detached(reference, name, "sleep", "3600")
            found = [_shim_of(peer.main_pid(name)) for name in names]
            if len({shim.pid for shim in found}) != COUNT:
                sys.exit(f"bench: {peer.name}: the containers do not have a process each: {sorted(set(found))}")
            shims[f"{peer.name} ({found[0].name})"] = found
        before = {shim: (_ticks(shim), _nanoseconds(shim)) for group in shims.values() for shim in group}
        time.sleep(IDLE_SECONDS)
        after = {shim: (_ticks(shim), _nanoseconds(shim)) for group in shims.values() for shim in group}
        sizes = {name: [_memory(shim) for shim in group] for name, group in shims.items()}
    podman = next((name for name in shims if name.startswith("podman ")), "podman")
    for kind in KINDS:
        rows = [Row(name, [one[kind] for one in found]) for name, found in sizes.items()]
        bench.report.add(Table("memory", f"the process beside one of {COUNT} containers: {kind}", "KiB", rows, podman))
    rows = [Row(name, [(after[shim][1] - before[shim][1]) / 1000 for shim in group],
                {"ticks, all": sum(after[shim][0] - before[shim][0] for shim in group)}) for name, group in shims.items()]
    what = f"its processor time in {IDLE_SECONDS:.0f} idle seconds"
    bench.report.add(Table("memory", f"the process beside one of {COUNT} containers: {what}", "us", rows, podman,
                           notes=[f"ticks, all: of {COUNT} together, {os.sysconf('SC_CLK_TCK')} a second"]))
