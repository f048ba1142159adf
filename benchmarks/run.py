"""``make bench``: conman beside podman, docker, containerd and bare runc, measured in one run. Asserts nothing.

Examples::

    python benchmarks/run.py run version --rounds 51
    python benchmarks/run.py --only throughput --bytes 268435456
    python benchmarks/run.py --only memory --format json
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Callable, Mapping

import bridged
import copies
import facts
import latency
import memory
import plugins
import pull
import running
import startup
import throughput
from conman_kernel.testing.docker_registry import missing as registry_missing
from context import STREAM, Bench, Options
from report import FORMATS, Report

#: In the order in which they run.
CASES: Mapping[str, Callable[[Bench], None]] = {
    "run": startup.run, "run-bridge": bridged.run, "version": startup.version, "ps": startup.ps, "ps-running": running.ps,
    "stats": running.stats, "exec": latency.execute,
    "keystroke": latency.keystroke, "output": throughput.output, "through": throughput.through,
    "memory": memory.memory, "plugins": plugins.plugins, "cp-large": copies.large, "cp-files": copies.many,
    "pull-files": pull.files, "pull-large": pull.large, "pull-layers": pull.small,
    "pull-shared": pull.shared, "pull-present": pull.present,
}
#: A name for several.
THEMES: Mapping[str, tuple[str, ...]] = {
    "startup": ("run", "run-bridge", "version", "ps"), "running": ("ps-running", "stats"),
    "cp": ("cp-large", "cp-files"),
    "latency": ("exec", "keystroke"), "throughput": ("output", "through"),
    "pull": ("pull-files", "pull-large", "pull-layers", "pull-shared", "pull-present"),
}


def _chosen(parser: argparse.ArgumentParser, names: list[str]) -> list[str]:
    """Cases, in their order; all where none is named."""
    wanted: set[str] = set()
    for name in names:
        if name not in CASES and name not in THEMES:
            parser.error(f"unknown: {name}")
        wanted.update(THEMES.get(name, (name,)))
    return [case for case in CASES if case in wanted or not wanted]


def options() -> tuple[list[str], str, Options]:
    """The command line: cases, format, numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = f"any of {', '.join(CASES)}, or of the themes {', '.join(THEMES)}"
    parser.add_argument("cases", nargs="*", help=f"{known}; all where none is named")
    parser.add_argument("--only", action="append", default=[], metavar="CASE[,CASE...]", help="the same as an option")
    parser.add_argument("--rounds", type=int, default=21, help="rounds of each command (throughput, pull: a seventh of it)")
    parser.add_argument("--containers", type=int, default=1000, help="for ps")
    parser.add_argument("--bytes", type=int,
                        help=f"throughput: {STREAM:,}, pull-files: {pull.FILES_SIZE:,}, pull-large: {pull.LARGE_SIZE:,}, "
                             f"cp-large: {copies.LARGE_SIZE:,}")
    parser.add_argument("--files", type=int, default=67_000, help="for pull-files")
    parser.add_argument("--keys", type=int, default=200, help="for keystroke")
    parser.add_argument("--format", choices=FORMATS, default="table")
    given = parser.parse_args()
    # One line of a terminal holds 4,095 keys and no more.
    for name, least, most in (("rounds", 1, None), ("containers", 1, None), ("bytes", 1 << 23, None), ("files", 3, None),
                              ("keys", 1, 4000)):
        value = getattr(given, name)
        if value is not None and (value < least or (most is not None and value > most)):
            parser.error(f"--{name}: at least {least}" + (f", at most {most}" if most else ""))
    cases = _chosen(parser, [*given.cases, *(name for names in given.only for name in names.split(",") if name)])
    return cases, given.format, Options(given.rounds, given.containers, given.bytes, given.files, given.keys)


def main() -> None:
    """Measure what was asked for, in a folder in memory that is removed at the end, also after Ctrl-C and SIGTERM."""
    cases, form, numbers = options()
    if os.geteuid() != 0:
        sys.exit("bench: needs root")
    lacks = registry_missing()
    if lacks:
        sys.exit(f"bench: {lacks}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="cb-", dir="/dev/shm"))
    report = Report(form)
    try:
        bench = Bench(numbers, folder, report)
        try:
            report.facts(facts.facts(folder))
            for case in cases:
                CASES[case](bench)
        finally:
            bench.close()
            report.end()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
