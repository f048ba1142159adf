"""``conman wait``."""

from __future__ import annotations

from ...errors import ShimLost
from .. import out
from ..context import Context
from ..declare import CONTAINER, LIST, Argument, Option, Verb
from ..several import LATEST, targets
from ..values import Values


def _run(context: Context, values: Values) -> int:
    conditions = values.many("condition")
    if conditions:
        from ...containers.conditions import ENDS, check

        check(conditions)
        conditions = () if ENDS.issuperset(conditions) else conditions
    found = targets(context.conman(), values, missing='"conman wait" requires a name, id, or the "--latest" flag')
    failed = 0
    for target in found:
        try:
            code = target.container.wait_for(*conditions, cancel=context.cancel) if conditions \
                else target.container.wait(cancel=context.cancel)
        except ShimLost as error:
            code, failed = -1, error.exit_code  # a line for each, so that nobody's code is taken for another's
            out.report(error)
        out.line(str(code))
    return failed


VERB = Verb(
    "wait", "Wait until one or more containers have stopped, or are in another state, and print their exit codes", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--condition", "State to wait for: running, paused, removed, ... (default: stopped)", LIST, metavar="STATE"),
        Option("--interval", "Accepted for podman's sake: nothing is polled here", short="-i", metavar="TIME",
               hidden=True),
        LATEST,
    ))
