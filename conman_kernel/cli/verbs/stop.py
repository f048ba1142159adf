"""``conman stop``."""

from __future__ import annotations

from ...errors import InvalidInput
from ..context import Context
from ..declare import CONTAINER, FLAG, INTEGER, LIST, Argument, Option, Verb
from ..several import CIDFILE, IGNORE, LATEST, act, targets
from ..values import Values


def _run(context: Context, values: Values) -> int:
    timeout = values.integer("time")
    if timeout is not None and timeout < 0:
        raise InvalidInput(f'invalid argument "{timeout}" for "-t, --time" flag: must not be negative')
    found = targets(context.conman(), values, of_all=tuple(
        ("status", state) for state in ("running", "paused", "restarting", "initialized")))
    return act(found, lambda container: container.stop(timeout=timeout, cancel=context.cancel))


VERB = Verb(
    "stop", "Stop one or more containers", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Stop all running containers", FLAG, short="-a"),
        CIDFILE,
        Option("--filter", "Act on the containers that match, such as status=running", LIST, short="-f",
               metavar="KEY=VALUE"),
        IGNORE,
        LATEST,
        Option("--time", "Seconds between the stop signal and SIGKILL (default: the container's own, 10)", INTEGER,
               short="-t", metavar="SECONDS", aliases=("--timeout",)),
    ))
