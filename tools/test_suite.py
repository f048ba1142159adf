"""Run the whole test suite, in two processes side by side: what uses runtimes and mounts, and everything else.

Usage: ``.venv/bin/python tools/test_suite.py [PYTEST ARGUMENTS]``. Two, because the machine that this is made for has two
cores and most tests use one. Each line of output says whose it is; the last one counts all tests. What fails beside the other
half is run once more alone, and that is said: deadlines of tests mean a machine that is not full.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Mapping, Sequence

TOP = Path(__file__).resolve().parent.parent
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped)\b")
INTERRUPTED = 130
FAILED = 1
MOST_AGAIN = 20
"""Failures of a half after which nothing is tried again: that is no matter of load."""


def parts() -> dict[str, list[str]]:
    """The two halves: name -> paths that pytest is given."""
    def found(pattern: str) -> list[str]:
        return sorted(str(path.relative_to(TOP)) for path in TOP.glob(pattern) if path.is_dir() and path.name != "__pycache__")

    rest = [path for path in found("tests/*") if path != "tests/integration"]
    return {"host": ["tests/integration", "shim/tests", *found("examples/*/tests")], "rest": [*rest, *found("plugins/*/tests")]}


def start(name: str, paths: Sequence[str], arguments: Sequence[str]) -> subprocess.Popen[str]:
    """One pytest, in a process group of its own, so that an interrupt reaches it once."""
    # The installed command: with ``python -m pytest`` the checkout would be tested, not what is installed.
    program = str(Path(sys.executable).with_name("pytest"))
    argv = [program, "--installed", "-o", f"cache_dir=.pytest_cache/{name}", *arguments, *paths]
    return subprocess.Popen(argv, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            errors="replace", start_new_session=True)


def follow(name: str, process: subprocess.Popen[str], closing: dict[str, str]) -> None:
    """Pass its output on line by line, and remember the last line that counts tests."""
    assert process.stdout is not None
    for line in process.stdout:
        if COUNTS.search(line) and " in " in line:
            closing[name] = line
        sys.stdout.write(f"{name}: {line}")
        sys.stdout.flush()


def once_more(name: str, paths: Sequence[str], closing: dict[str, str]) -> tuple[int, int]:
    """Run what failed in a half alone, and let its closing line tell how it ended then.

    :returns: the status, 0 where all passed now, and how many of them did.
    """
    first = closing[name]
    print(f"{name}: what failed is run once more, alone", flush=True)
    second: dict[str, str] = {}
    process = start(name, paths, ["--last-failed", "--last-failed-no-failures=none"])
    follow(name, process, second)
    status = process.wait()
    failed, passed = _failures(first), _number(second.get(name, ""), "passed")
    if status or passed < 1:
        return FAILED, 0
    closing[name] = f"{_number(first, 'passed') + failed} passed, {_number(first, 'skipped')} skipped"
    return 0, passed


def _number(line: str, what: str) -> int:
    return sum(int(number) for number, word in COUNTS.findall(line) if word == what)


def _failures(line: str) -> int:
    return sum(_number(line, what) for what in ("failed", "error", "errors"))


def counted(closing: Mapping[str, str]) -> str:
    """The closing line: all halves together."""
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for line in closing.values():
        for number, what in COUNTS.findall(line):
            total["failed" if what.startswith("error") else what] += int(number)
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    return f"{total['passed']} passed, {total['failed']} failed{skipped}"


def main() -> int:
    """Run both; 0 where all passed."""
    running = {name: start(name, paths, sys.argv[1:]) for name, paths in parts().items()}
    closing: dict[str, str] = {}
    readers = [threading.Thread(target=follow, args=(name, process, closing)) for name, process in running.items()]
    for reader in readers:
        reader.start()
    try:
        codes = [process.wait() for process in running.values()]
    except KeyboardInterrupt:
        for process in running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
        codes = [INTERRUPTED, *(process.wait() for process in running.values())]
    for reader in readers:
        reader.join()
    again = 0
    if INTERRUPTED not in codes:
        for number, name in enumerate(running):
            if codes[number] == FAILED and 0 < _failures(closing.get(name, "")) <= MOST_AGAIN:
                codes[number], count = once_more(name, parts()[name], closing)
                again += count
    lost = [name for name in running if name not in closing]
    for name in lost:
        print(f"{name}: ended without a word, status {running[name].returncode}")
    if again:
        print(f"{again} tests that failed beside the other half passed when they were run alone: see above")
    print(counted(closing))
    return max((abs(code) for code in codes), default=0) or (1 if lost else 0)


if __name__ == "__main__":
    sys.exit(main())
