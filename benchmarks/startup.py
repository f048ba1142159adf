"""Whole short commands: ``run --rm IMAGE true``, ``--version``, ``ps -a``."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Mapping

import bare
from context import RUNC, Bench
from measure import Command, alternate, whole
from report import Row, Table


def _rows(commands: Mapping[str, Command], rounds: int) -> list[Row]:
    contestants = {name: lambda command=command: whole(command) for name, command in commands.items()}
    return [Row(name, [result.seconds * 1000 for result in results])
            for name, results in alternate(contestants, rounds).items()]


def run(bench: Bench) -> None:
    """``run --rm IMAGE true``, image present."""
    with bench.image(bench.everyone) as reference, bench.rootfs() as root:
        commands = {peer.name: peer.run(reference, "true") for peer in bench.everyone}
        floor = bare.run(bench.folder / "runc", root, bench.environ, "true")
        if floor:
            commands[f"{RUNC}, no image"] = floor
        bench.report.add(Table("run", "run --rm IMAGE true", "ms", _rows(commands, bench.options.rounds)))


def version(bench: Bench) -> None:
    """``--version`` beside an interpreter that does nothing."""
    floor = "python -c pass"
    commands = {floor: Command([sys.executable, "-c", "pass"], bench.environ)}
    commands.update({f"{p.name} --version": Command([p.start[0], "--version"], p.environ) for p in bench.main})
    bench.report.add(Table("version", "--version", "ms", _rows(commands, bench.options.rounds * 2), floor))


def ps(bench: Bench) -> None:
    """``ps -a`` with no and with many containers."""
    def measured(count: int) -> None:
        commands = {peer.name: peer.command("ps", "-a") for peer in bench.main}
        bench.report.add(Table("ps", f"ps -a, {count:,} containers", "ms", _rows(commands, bench.options.rounds)))

    with bench.image(bench.main) as reference:
        measured(0)
        for peer in bench.main:
            with ThreadPoolExecutor(2) as pool:
                command = peer.command("create", reference, "true")
                for job in [pool.submit(peer.do, command) for _ in range(bench.options.containers)]:
                    job.result()
        measured(bench.options.containers)
