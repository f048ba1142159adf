"""``conman plugin new``."""

from __future__ import annotations

from .. import out
from ..context import Context
from ..declare import Argument, Option, Verb
from ..values import Values


def _run(context: Context, values: Values) -> int:
    from ...scaffold.new import new

    slot, name = values.arguments
    out.line(new(slot, name, values.text("dir")))
    return 0


VERB = Verb(
    "new", "Write the distribution of a new plugin, whose tests run at once and fail where it is not written yet", _run,
    arguments=(Argument("SLOT"), Argument("NAME")),
    options=(Option("--dir", "The folder that gets it", metavar="FOLDER", default="."),),
    notes=("SLOT is storage, transport, runtime, attach, network or events. The path of what was written is printed.",))
