"""``conman logs``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidInput
from ...times import parse_time
from .. import out
from ..context import Context
from ..declare import CONTAINER, FLAG, INTEGER, Argument, Option, Verb
from ..several import LATEST, Target, targets
from ..values import Values

if TYPE_CHECKING:
    from ...containers.logs import LogEntry


def _run(context: Context, values: Values) -> int:
    since = parse_time(values.text("since")) if values.given("since") else None
    until = parse_time(values.text("until"), ahead=True) if values.given("until") else None
    tail = values.integer("tail")
    found = targets(context.conman(), values, missing="specify at least one container name or ID to log")
    if values.flag("follow") and len(found) > 1:
        raise InvalidInput("following the logs of several containers at once is not supported yet",
                           hint="follow each with a command of its own")
    for target in found:
        entries = target.container.logs(follow=values.flag("follow"), tail=None if tail is None or tail < 0 else tail,
                                        cancel=context.cancel)
        for entry in entries:
            if since is not None and parse_time(entry.time) < since:
                continue
            if until is not None and parse_time(entry.time) > until:
                break
            out.write(_line(entry, _prefix(target, values, several=len(found) > 1), values.flag("timestamps")),
                      entry.stream)
    return 0


def _prefix(target: Target, values: Values, *, several: bool) -> str:
    if values.flag("names"):
        return target.container.name + " "
    return target.container.id[:12] + " " if several else ""


def _line(entry: LogEntry, prefix: str, timestamps: bool) -> bytes:
    head = prefix + (entry.time + " " if timestamps else "")
    return head.encode() + entry.data if head else entry.data


VERB = Verb(
    "logs", "Show the output of one or more containers", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--follow", "Go on as output comes, until the container ends", FLAG, short="-f"),
        LATEST,
        Option("--names", "Put the container's name before each line", FLAG, short="-n"),
        Option("--since", "From this time on: 10m, 2026-11-23T22:53:08Z, Unix seconds", metavar="TIME"),
        Option("--tail", "The last lines only; -1 for all", INTEGER, metavar="LINES"),
        Option("--timestamps", "Put the time before each line", FLAG, short="-t"),
        Option("--until", "Up to this time; a duration counts from now on", metavar="TIME"),
    ))
