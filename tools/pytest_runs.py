"""Several runs of pytest side by side, as test_suite.py and test_pythons.py begin them.

Each line of output says whose it is. What fails beside the others is run once more alone, and that is said: deadlines of tests
mean a machine that is not full.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

TOP = Path(__file__).resolve().parent.parent
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped)\b")
INTERRUPTED = 130
FAILED = 1
MOST_AGAIN = 20
"""Failures of a run after which nothing is tried again: that is no matter of load."""


@dataclass(frozen=True)
class Run:
    """One pytest: its name before each line, the environment that it tests, its arguments, and the paths to collect."""

    name: str
    prefix: Path
    arguments: Sequence[str]
    paths: Sequence[str]

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Begin it in a process group of its own, so that an interrupt reaches it once."""
        # The installed command: with ``python -m pytest`` the checkout would be tested, not what is installed.
        argv = [str(self.prefix / "bin" / "pytest"), "--installed", "-o", f"cache_dir=.pytest_cache/{self.name}",
                *(more or self.arguments), *self.paths]
        return subprocess.Popen(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, errors="replace", start_new_session=True)


def side_by_side(runs: Sequence[Run]) -> tuple[dict[str, int], dict[str, str]]:
    """Run all of them to their ends, and then once more, one after another, what failed.

    :returns: the status of each by its name, 0 where all of its tests passed at last; and its line that counts tests, missing
        where it ended without one.
    """
    closing: dict[str, str] = {}
    running = {run.name: run.start() for run in runs}
    readers = [threading.Thread(target=_follow, args=(name, process, closing)) for name, process in running.items()]
    for reader in readers:
        reader.start()
    try:
        codes = {name: process.wait() for name, process in running.items()}
    except KeyboardInterrupt:
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
        codes = {name: process.wait() or INTERRUPTED for name, process in running.items()}
    for reader in readers:
        reader.join()
    if INTERRUPTED not in codes.values():
        _try_again(runs, codes, closing)
    for name in codes:
        if name not in closing:
            print(f"{name}: ended without a word, status {codes[name]}")
            codes[name] = codes[name] or FAILED
    return codes, closing


def counted(closing: Mapping[str, str]) -> str:
    """One line for all runs together."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for line in closing.values():
        for number, what in COUNTS.findall(line):
            total["failed" if what.startswith("error") else what] += int(number)
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    return f"{total['passed']} passed, {total['failed']} failed{skipped}"


def _follow(name: str, process: subprocess.Popen[str], closing: dict[str, str]) -> None:
    """Pass its output on line by line, and remember the last line that counts tests."""
    assert process.stdout is not None
    for line in process.stdout:
        if COUNTS.search(line) and " in " in line:
            closing[name] = line
        sys.stdout.write(f"{name}: {line}")
        sys.stdout.flush()


def _try_again(runs: Sequence[Run], codes: dict[str, int], closing: dict[str, str]) -> None:
    again = 0
    for run in runs:
        if codes[run.name] == FAILED and 0 < _failures(closing.get(run.name, "")) <= MOST_AGAIN:
            codes[run.name], count = _once_more(run, closing)
            again += count
    if again:
        print(f"{again} tests that failed beside the others passed when they were run alone: see above")


def _once_more(run: Run, closing: dict[str, str]) -> tuple[int, int]:
    """Run what failed alone, and let its closing line tell how it ended then.

    :returns: the status, 0 where all passed now, and how many of them did.
    """
    first = closing[run.name]
    print(f"{run.name}: what failed is run once more, alone", flush=True)
    second: dict[str, str] = {}
    process = run.start("--last-failed", "--last-failed-no-failures=none")
    _follow(run.name, process, second)
    status = process.wait()
    failed, passed = _failures(first), _number(second.get(run.name, ""), "passed")
    if status or passed < 1:
        return FAILED, 0
    closing[run.name] = f"{_number(first, 'passed') + failed} passed, {_number(first, 'skipped')} skipped"
    return 0, passed


def _number(line: str, what: str) -> int:
    return sum(int(number) for number, word in COUNTS.findall(line) if word == what)


def _failures(line: str) -> int:
    return sum(_number(line, what) for what in ("failed", "error", "errors"))
