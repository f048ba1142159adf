"""``conman rename``."""

from __future__ import annotations

from ..context import Context
from ..declare import CONTAINER, Argument, Verb
from ..values import Values


def _run(context: Context, values: Values) -> int:
    context.conman().containers.get(values.arguments[0]).rename(values.arguments[1], cancel=context.cancel)
    return 0


VERB = Verb("rename", "Give a container another name", _run, arguments=(Argument("CONTAINER", 1, 1, CONTAINER), Argument("NAME")))
