"""``conman stats``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Iterator, Sequence

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import CONTAINER, FLAG, INTEGER, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..several import LATEST, one
from ..table import table
from ..values import Values
from ..wording import binary_size, go_duration, size

if TYPE_CHECKING:
    from ...containers.stats import ContainerStats

_HEAD = ("ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET IO", "BLOCK IO", "PIDS", "CPU TIME", "AVG CPU %")
_HEADINGS = {"CPUPerc": "CPU %", "AVGCPU": "AVG CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemUsageBytes": "MEM USAGE / LIMIT",
             "MemPerc": "MEM %", "NetIO": "NET IO", "BlockIO": "BLOCK IO", "UpTime": "CPU TIME"}
_CLEAR, _HOME, _LINE_END, _REST = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"


def _run(context: Context, values: Values) -> int:
    names, latest, everything = list(values.arguments), values.flag("latest"), values.flag("all")
    if (latest and names) or (everything and (latest or names)):
        raise InvalidInput("--all, --latest and containers cannot be used together")
    if latest:
        names = [one(context.conman(), values, missing="").id]
    rounds = context.conman().containers.stats(names, all=everything, interval=values.integer("interval") or 0,
                                               cancel=context.cancel)
    if values.flag("no-stream"):
        out.write(_text(next(rounds), values))
    elif os.isatty(1) and not values.flag("no-reset"):
        _redraw(rounds, values)
    else:
        for samples in rounds:
            out.write(_text(samples, values))
    return 0


def _redraw(rounds: Iterator[tuple[ContainerStats, ...]], values: Values) -> None:
    """Each round in the place of the one before, cut to the window, which may change its size meanwhile."""
    before = _CLEAR
    for samples in rounds:
        columns, height = os.get_terminal_size(1)
        lines = _text(samples, values).splitlines()
        if len(lines) >= height > 2:
            hidden = len(lines) - (height - 2)
            lines = [*lines[:height - 2], f"({hidden} more lines do not fit: --no-stream shows them)"]
        out.write(before + _HOME + "".join(f"{line[:columns or None]}{_LINE_END}\n" for line in lines) + _REST)
        before = ""


def _text(samples: Sequence[ContainerStats], values: Values) -> str:
    format, whole = values.text("format"), values.flag("no-trunc")
    if wants_json(format):
        return json_text([_document(sample, whole=whole) for sample in samples], indent=1)
    found = [_row(sample, whole=whole) for sample in samples]
    if format not in ("", "table"):
        return render(format, found, _HEADINGS)
    names = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDS", "UpTime", "AVGCPU")
    return table([_HEAD, *(tuple(str(row[name]) for name in names) for row in found)])


def _document(sample: ContainerStats, *, whole: bool) -> dict[str, object]:
    row = _row(sample, whole=whole)
    return {"id": row["ID"], "name": row["Name"], "cpu_time": row["UpTime"], "cpu_percent": row["CPUPerc"],
            "avg_cpu": row["AVGCPU"], "mem_usage": row["MemUsage"], "mem_percent": row["MemPerc"], "net_io": row["NetIO"],
            "block_io": row["BlockIO"], "pids": str(sample.pids)}


def _row(sample: ContainerStats, *, whole: bool) -> dict[str, object]:
    """podman's fields."""
    return {
        "ID": sample.id if whole else sample.id[:12],
        "ContainerID": sample.id,
        "Name": sample.name,
        "CPUPerc": f"{sample.cpu_percent:.2f}%",
        "CPU": sample.cpu_percent,
        "AVGCPU": f"{sample.cpu_average:.2f}%",
        "AvgCPU": sample.cpu_average,
        "CPUNano": sample.cpu_ns,
        "UpTime": go_duration(sample.cpu_ns),
        "Up": go_duration(sample.cpu_ns),
        "Duration": sample.cpu_ns,
        "SystemNano": int(sample.time * 1e9),
        "MemUsage": f"{_bytes(sample.memory)} / {_bytes(sample.memory_limit)}",
        "MemUsageBytes": f"{binary_size(sample.memory)} / {binary_size(sample.memory_limit)}",
        "MemLimit": sample.memory_limit,
        "MemPerc": f"{sample.memory_percent:.2f}%",
        "NetIO": f"{_bytes(sample.network_in)} / {_bytes(sample.network_out)}",
        "NetInput": sample.network_in,
        "NetOutput": sample.network_out,
        "BlockIO": f"{_bytes(sample.block_in)} / {_bytes(sample.block_out)}",
        "BlockInput": sample.block_in,
        "BlockOutput": sample.block_out,
        "PIDS": sample.pids,
        "PIDs": sample.pids,
    }


def _bytes(count: int) -> str:
    return size(count, gap="", digits=4)


VERB = Verb(
    "stats", "Show what running containers use of processor, memory, network and disk", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Show all containers, not only running ones", FLAG, short="-a"),
        Option("--format", "json, or a template such as '{{.Name}} {{.CPUPerc}}' or 'table {{.Name}} {{.MemUsage}}'",
               metavar="FORMAT"),
        Option("--interval", "Seconds from one round to the next", INTEGER, short="-i", metavar="SECONDS", default=1),
        LATEST,
        Option("--no-reset", "On a terminal, print one round below the other", FLAG),
        Option("--no-stream", "Print one round and end", FLAG),
        Option("--no-trunc", "Show whole ids", FLAG, aliases=("--notruncate",)),
    ),
    notes=("CPU % is of one processor, since the round before; in the first round, since the container was started. AVG CPU % is "
           "always that.",
           "NET IO is what came in and went out by the interfaces of its own network namespace but lo."))
