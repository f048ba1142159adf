"""``conman pause`` and ``conman unpause``."""

from __future__ import annotations

from ..context import Context
from ..declare import CONTAINER, FLAG, LIST, Argument, Option, Verb
from ..several import CIDFILE, LATEST, act, targets
from ..values import Values

_FILTER = Option("--filter", "Act on the containers that match, such as label=KEY", LIST, short="-f", metavar="KEY=VALUE")


def _pause(context: Context, values: Values) -> int:
    found = targets(context.conman(), values, of_all=(("status", "running"),))
    return act(found, lambda container: container.pause(cancel=context.cancel))


def _unpause(context: Context, values: Values) -> int:
    found = targets(context.conman(), values, of_all=(("status", "paused"),))
    return act(found, lambda container: container.unpause(cancel=context.cancel))


PAUSE = Verb(
    "pause", "Have no process of one or more containers run", _pause,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(Option("--all", "Pause all running containers", FLAG, short="-a"), CIDFILE, _FILTER, LATEST))

UNPAUSE = Verb(
    "unpause", "Let the processes of one or more paused containers run on", _unpause,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(Option("--all", "Unpause all paused containers", FLAG, short="-a"), CIDFILE, _FILTER, LATEST))
