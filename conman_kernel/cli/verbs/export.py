"""``conman export``, also ``conman container export``."""

from __future__ import annotations

import os

from ...errors import InvalidInput
from ..context import Context
from ..declare import CONTAINER, Argument, Option, Verb
from ..values import Values


def _run(context: Context, values: Values) -> int:
    output = values.text("output")
    if ":" in output:
        raise InvalidInput(f"invalid filename (should not contain ':') {output!r}")
    if not output and os.isatty(1):
        raise InvalidInput("refusing to export to terminal. Use -o flag or redirect")
    context.conman().containers.get(values.arguments[0]).export(output or 1, cancel=context.cancel)
    return 0


VERB = Verb("export", "Write a container's root file system as a tar", _run,
            arguments=(Argument("CONTAINER", 1, 1, CONTAINER),),
            options=(Option("--output", "The file; without it, standard output", short="-o", metavar="PATH"),))
