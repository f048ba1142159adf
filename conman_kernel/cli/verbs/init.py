"""``conman init``."""

from __future__ import annotations

from ..context import Context
from ..declare import CONTAINER, FLAG, Argument, Option, Verb
from ..several import LATEST, act, targets
from ..values import Values
from .start import EXIT_NOT_STARTED


def _run(context: Context, values: Values) -> int:
    found = targets(context.conman(), values, of_all=(("status", "created"), ("status", "exited")))
    return act(found, lambda container: container.init(cancel=context.cancel), code=lambda error: EXIT_NOT_STARTED)


VERB = Verb(
    "init", "Create one or more containers at their runtime without starting them", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(Option("--all", "Initialize all containers that do not run", FLAG, short="-a"), LATEST),
    notes=("Its file system is mounted and its runtime's configuration is there to be looked at: conman inspect names them.",))
