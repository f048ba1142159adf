"""``conman mount``."""

from __future__ import annotations

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import CONTAINER, FLAG, Argument, Option, Verb
from ..go_format import json_text
from ..several import LATEST, targets
from ..table import table
from ..values import Values


def _run(context: Context, values: Values) -> int:
    if values.given("format") and values.text("format") != "json":
        raise InvalidInput(f"unknown --format argument: {values.text('format')}", hint="json is the only one")
    conman = context.conman()
    named = bool(values.arguments) or values.flag("all") or values.flag("latest")
    if named:
        found = targets(conman, values)
        paths = [(target.container, str(target.container.mount())) for target in found]
    else:
        paths = [(container, path) for container in conman.containers.list(all=True)
                 if (path := container.mount_point)]
    if values.given("format"):
        out.write(json_text([{"id": c.id, "Names": [c.name], "mountpoint": path} for c, path in paths], indent=1))
    elif named and len(paths) == 1:
        out.line(paths[0][1])
    else:
        length = 64 if values.flag("no-trunc") else 12
        out.write(table([(c.id[:length], path) for c, path in paths]))
    return 0


VERB = Verb(
    "mount", "Mount containers' root file systems and print where, or list what is mounted", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Mount all containers", FLAG, short="-a"),
        Option("--format", "json", metavar="FORMAT"),
        LATEST,
        Option("--no-trunc", "Print whole ids", FLAG, aliases=("--notruncate",)),
    ))
