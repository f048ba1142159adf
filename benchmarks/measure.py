"""Timing whole processes, side by side, and the memory of a process tree while it runs."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Mapping, NamedTuple, Sequence


class Case(NamedTuple):
    """One way to do the thing that is measured.

    :param name: what the table calls it.
    :param argv: the command of one round.
    :param environ: its whole environment.
    :param before: called before each round, not measured.
    """

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    before: Callable[[], None] | None = None


class Result(NamedTuple):
    """Seconds of every round, and the most memory (bytes, resident, whole tree) where it was watched; else 0."""

    name: str
    seconds: list[float]
    memory: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def spread(self) -> str:
        """The quartiles in milliseconds."""
        if len(self.seconds) < 4:
            return f"{min(self.seconds) * 1000:.0f}..{max(self.seconds) * 1000:.0f}"
        low, _, high = statistics.quantiles(self.seconds, n=4)
        return f"{low * 1000:.1f}..{high * 1000:.1f}"


def alternate(cases: Sequence[Case], rounds: int, *, memory: bool = False, warm: bool = True) -> list[Result]:
    """Run all cases in turn, ``rounds`` times, so that a slow minute of the machine slows all of them.

    :param memory: also sample the resident memory of each process tree (every 5 ms; costs a little time).
    :param warm: begin with one round that is not counted.
    """
    results = {case.name: Result(case.name, []) for case in cases}
    for number in range(rounds + warm):
        # The order turns, so that nobody always runs after the same neighbour.
        for case in [*cases[number % len(cases):], *cases[:number % len(cases)]]:
            if case.before is not None:
                case.before()
            seconds, peak = once(case, memory)
            if number >= warm:
                old = results[case.name]
                results[case.name] = old._replace(seconds=[*old.seconds, seconds], memory=max(old.memory, peak))
    return list(results.values())


def once(case: Case, memory: bool) -> tuple[float, int]:
    """One round: wall-clock seconds and peak resident bytes of the tree. Ends the program where the command fails."""
    start = time.perf_counter()
    process = subprocess.Popen(case.argv, env=dict(case.environ), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    peak = 0
    while memory and process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        time.sleep(0.005)
    words = process.communicate()[1].decode(errors="replace")
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"bench: {' '.join(case.argv)}: exit code {process.returncode}\n{words}")
    return seconds, peak


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and all its descendants now. Pages they share count once for each."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, waiting = 0, [pid]
    while waiting:
        current = waiting.pop()
        try:
            total += int(Path(f"/proc/{current}/statm").read_text().split()[1]) * page
            for task in os.listdir(f"/proc/{current}/task"):
                waiting += map(int, Path(f"/proc/{current}/task/{task}/children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return total


def table(title: str, results: Sequence[Result], baseline: str) -> None:
    """Print medians and ratios to the case called ``baseline``."""
    print(f"\n{title}")
    base = next((r for r in results if r.name == baseline), None)
    watched = any(r.memory for r in results)
    print(f"  {'':28} {'median ms':>10} {'quartiles ms':>16} {'ratio':>7}" + (f" {'peak MB':>8}" if watched else ""))
    for result in results:
        ratio = f"{result.median / base.median:.2f}" if base else "-"
        line = f"  {result.name:28} {result.median * 1000:10.1f} {result.spread():>16} {ratio:>7}"
        print(line + (f" {result.memory / 1e6:8.0f}" if watched else ""), flush=True)
    if base:
        print(f"  (ratio: to {baseline}; n = {len(base.seconds)})", flush=True)
    else:
        print(f"  (no ratio: {baseline} is not installed here)", flush=True)
