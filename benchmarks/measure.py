"""Timing whole commands, their first byte and their stream, side by side; and the memory of a process tree while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Mapping, NamedTuple, Sequence, TypeVar

T = TypeVar("T")
PIECE = 65_536
END_SECONDS = 60.0
STOP_SECONDS = 5.0


class Command(NamedTuple):
    """One command line that is measured, with its whole environment."""

    argv: Sequence[str]
    environ: Mapping[str, str]


class Whole(NamedTuple):
    """A whole command: wall-clock seconds, and the most memory of its tree (bytes, resident) where it was watched; else 0."""

    seconds: float
    memory: int = 0


class Flow(NamedTuple):
    """A command whose output was read: bytes, and seconds since the call to the first byte, to the last, and to the exit."""

    size: int
    first: float
    last: float
    whole: float

    @property
    def rate(self) -> float:
        """MiB a second between the first byte and the last: starting and cleaning up are not in it."""
        return self.size / 2**20 / max(self.last - self.first, 1e-9)


def alternate(contestants: Mapping[str, Callable[[], T]], rounds: int, *, warm: bool = True) -> dict[str, list[T]]:
    """Let all contestants run in turn, ``rounds`` times, so that a slow minute of the machine slows all of them.

    :param contestants: name -> one measurement.
    :param warm: begin with one round that is not counted.
    """
    results: dict[str, list[T]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds + warm):
        # The order turns, so that nobody always runs after the same neighbour.
        turn = number % max(len(names), 1)
        for name in [*names[turn:], *names[:turn]]:
            result = contestants[name]()
            if number >= warm:
                results[name].append(result)
    return results


def whole(command: Command, *, memory: bool = False, before: Callable[[], None] | None = None) -> Whole:
    """Run one command to its end, its output thrown away. Ends the program where the command fails.

    :param memory: also sample the resident memory of the process tree (every 5 ms; costs a little time).
    :param before: called first, not measured.
    """
    if before is not None:
        before()
    start = time.perf_counter()
    process = subprocess.Popen(command.argv, env=dict(command.environ), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE)
    peak = 0
    with _ended(process):
        while memory and process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(0.005)
        words = process.communicate()[1]
    seconds = time.perf_counter() - start
    _check(command, process.returncode, words)
    return Whole(seconds, peak)


def flow(command: Command, *, size: int = 0, feeder: Sequence[str] = ()) -> Flow:
    """Run one command and read its output from a pipe, 64 KiB at a time.

    :param size: bytes that must come; 0: any number but none. Ends the program where they do not or the command fails.
    :param feeder: argv of a program whose output becomes the command's input; without it that is ``/dev/null``.
    """
    with open(os.devnull, "rb") as nothing, open(os.memfd_create("words"), "w+b") as words:
        start = time.perf_counter()
        source = subprocess.Popen(feeder, stdin=nothing, stdout=subprocess.PIPE) if feeder else None
        given = nothing if source is None or source.stdout is None else source.stdout
        process = subprocess.Popen(command.argv, env=dict(command.environ), stdin=given, stdout=subprocess.PIPE, stderr=words)
        if source is not None and source.stdout is not None:
            source.stdout.close()  # so that the feeder gets SIGPIPE where the command ends early
        assert process.stdout is not None
        with _ended(process):
            got, first, last = _drain(process.stdout.fileno())
            process.stdout.close()
            code = process.wait()
        end = time.perf_counter()
        if source is not None:
            source.wait(END_SECONDS)
        words.seek(0)
        _check(command, code, words.read())
    if got != size if size else not got:
        sys.exit(f"bench: {' '.join(command.argv)}: {got:,} bytes came, not {size:,}")
    return Flow(got, first - start, last - start, end - start)


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process where the benchmark is interrupted: first by asking."""
    try:
        yield
    except BaseException:
        process.terminate()
        if process.stdout is not None:
            process.stdout.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _drain(descriptor: int) -> tuple[int, float, float]:
    """Read to the end: bytes, and when the first and the last of them came."""
    buffer = bytearray(PIECE)
    size, first, last = 0, 0.0, 0.0
    while count := os.readv(descriptor, [buffer]):
        last = time.perf_counter()
        first = first or last
        size += count
    return size, first, last


def _check(command: Command, code: int, words: bytes) -> None:
    if code:
        sys.exit(f"bench: {' '.join(command.argv)}: exit code {code}\n{words.decode(errors='replace')}")


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
