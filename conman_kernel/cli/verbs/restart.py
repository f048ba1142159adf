"""``conman restart``."""

from __future__ import annotations

from ...errors import InvalidInput
from ..context import Context
from ..declare import CONTAINER, FLAG, INTEGER, LIST, Argument, Option, Verb
from ..several import CIDFILE, LATEST, act, targets
from ..values import Values
from .start import EXIT_NOT_STARTED


def _run(context: Context, values: Values) -> int:
    timeout = values.integer("time")
    if timeout is not None and timeout < 0:
        raise InvalidInput(f'invalid argument "{timeout}" for "-t, --time" flag: must not be negative')
    found = targets(context.conman(), values, of_all=(("status", "running"),) if values.flag("running") else ())
    return act(found, lambda container: container.restart(timeout=timeout, cancel=context.cancel),
               code=lambda error: EXIT_NOT_STARTED)


VERB = Verb(
    "restart", "Stop one or more containers where they run, and start them", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Restart all containers, whatever they do", FLAG, short="-a"),
        CIDFILE,
        Option("--filter", "Act on the containers that match, such as status=exited", LIST, short="-f", metavar="KEY=VALUE"),
        LATEST,
        Option("--running", "Restart all containers that run", FLAG),
        Option("--time", "Seconds between the stop signal and SIGKILL (default: the container's own, 10)", INTEGER, short="-t",
               metavar="SECONDS", aliases=("--timeout",)),
    ))
