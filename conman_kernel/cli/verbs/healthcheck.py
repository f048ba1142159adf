"""``conman healthcheck run``."""

from __future__ import annotations

from .. import out
from ..context import Context
from ..declare import CONTAINER, Argument, Verb
from ..values import Values


def _run(context: Context, values: Values) -> int:
    if context.conman().containers.get(values.arguments[0]).healthcheck(cancel=context.cancel):
        return 0
    out.line("unhealthy")
    return 1


RUN = Verb("run", "Check the health of a container now: exit with 0 where it is healthy, with 1 where it is not", _run,
           arguments=(Argument("CONTAINER", 1, 1, CONTAINER),))
