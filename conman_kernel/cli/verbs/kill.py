"""``conman kill``."""

from __future__ import annotations

from ...containers.parse import signal
from ..context import Context
from ..declare import CONTAINER, FLAG, Argument, Option, Verb
from ..several import CIDFILE, LATEST, act, targets
from ..values import Values


def _run(context: Context, values: Values) -> int:
    number = signal(values.text("signal"))
    found = targets(context.conman(), values, of_all=(("status", "running"),))
    return act(found, lambda container: container.kill(number))


VERB = Verb(
    "kill", "Send a signal to one or more running containers", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Signal all running containers", FLAG, short="-a"),
        CIDFILE,
        LATEST,
        Option("--signal", "Signal, by name or number", short="-s", metavar="SIGNAL", default="KILL"),
    ))
