"""``conman wait``."""

from __future__ import annotations

from ...errors import InvalidInput, ShimLost
from .. import out
from ..context import Context
from ..declare import CONTAINER, LIST, Argument, Option, Verb
from ..several import LATEST, targets
from ..values import Values


def _run(context: Context, values: Values) -> int:
    for condition in values.many("condition"):
        if condition not in ("stopped", "exited"):
            raise InvalidInput(f"invalid condition {condition!r}", hint="stopped is what can be waited for")
    found = targets(context.conman(), values, missing='"conman wait" requires a name, id, or the "--latest" flag')
    failed = 0
    for target in found:
        try:
            code = target.container.wait(cancel=context.cancel)
        except ShimLost as error:
            code, failed = -1, error.exit_code  # a line for each, so that nobody's code is taken for another's
            out.report(error)
        out.line(str(code))
    return failed


VERB = Verb(
    "wait", "Wait until one or more containers have stopped, and print their exit codes", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--condition", "State to wait for (default: stopped)", LIST, metavar="STATE"),
        Option("--interval", "Accepted for podman's sake: nothing is polled here", short="-i", metavar="TIME",
               hidden=True),
        LATEST,
    ))
