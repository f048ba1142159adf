"""Many bytes out of a container into a pipe, and in and out again."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Mapping, NamedTuple, Sequence

import producer
from context import Bench
from measure import Command, Flow, alternate, flow
from peers import Peer
from report import Row, Table

PIECE = 1 << 16
ALONE = "no container: the ceiling"
NOTE = ("more is better; MiB/s from the first byte to the last, read 64 KiB at a time; whole ms: the command with start and "
        "clean-up")


class Stream(NamedTuple):
    """One kind of bytes.

    :param words: the command in the container.
    :param alone: the same program on the host, without any container.
    :param feeder: argv of what comes in over stdin; empty: nothing.
    """

    case: str
    title: str
    size: int
    words: Sequence[str]
    alone: Sequence[str]
    feeder: Sequence[str] = ()


def _streams(size: int, folder: Path) -> list[Stream]:
    for name, data in producer.files(size).items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o755)
    zeros = ["dd", "if=/dev/zero", f"bs={PIECE}", f"count={size // PIECE}"]
    mib = f"{size >> 20:,} MiB"
    return [
        Stream("output", f"{mib} of zeros out of a container into a pipe", size // PIECE * PIECE, zeros, ["busybox", *zeros]),
        Stream("output", f"{mib} in lines of {producer.LINE} bytes out of a container into a pipe", producer.lines_size(size),
               producer.words(size, "/bench"), producer.words(size, str(folder))),
        Stream("through", f"head -c {size >> 20}M /dev/zero | run -i IMAGE cat | (read)", size, ["cat"], ["busybox", "cat"],
               ["head", "-c", str(size), "/dev/zero"]),
    ]


def _table(bench: Bench, stream: Stream, what: str, commands: Mapping[str, Command]) -> None:
    contestants = {name: lambda command=command: flow(command, size=stream.size, feeder=stream.feeder)
                   for name, command in commands.items()}
    rows = [_row(name, found) for name, found in alternate(contestants, bench.options.few).items()]
    bench.report.add(Table(stream.case, f"{stream.title}, {what}", "MiB/s", rows, notes=[NOTE]))


def _row(name: str, found: Sequence[Flow]) -> Row:
    return Row(name, [result.rate for result in found],
               {"whole ms": statistics.median(result.whole for result in found) * 1000})


def _measure(bench: Bench, case: str) -> None:
    size = bench.options.stream
    with bench.image(bench.everyone) as reference:
        for stream in _streams(size, bench.folder):
            if stream.case != case:
                continue

            def command(peer: Peer, log: str, stream: Stream = stream) -> Command:
                return peer.run(reference, *stream.words, stdin=bool(stream.feeder), log=log)

            commands = {peer.name: command(peer, "none") for peer in bench.everyone}
            _table(bench, stream, "no log", {**commands, ALONE: Command(stream.alone, bench.environ)})
            logging = {peer.name: command(peer, peer.log_driver) for peer in bench.everyone if peer.log_driver}
            drivers = ", ".join(f"{peer.name} {peer.log_driver}" for peer in bench.everyone if peer.log_driver)
            _table(bench, stream, f"with the log ({drivers})", logging)


def output(bench: Bench) -> None:
    """Zeros and lines out of a container, without a log and with it. Each log is removed with its container, after each run."""
    _measure(bench, "output")


def through(bench: Bench) -> None:
    """Zeros in by stdin, through ``cat``, and out."""
    _measure(bench, "through")
