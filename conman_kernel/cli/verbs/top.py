"""``conman top``."""

from __future__ import annotations

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import CONTAINER, Argument, Verb
from ..several import LATEST, one
from ..table import table
from ..values import Values


def _run(context: Context, values: Values) -> int:
    if values.flag("latest"):
        container, columns = one(context.conman(), values.without_arguments(), missing=""), values.arguments
    elif values.arguments:
        container, columns = context.conman().containers.get(values.arguments[0]), values.arguments[1:]
    else:
        raise InvalidInput("you must provide the name or id of a running container")
    found = container.top(*columns, cancel=context.cancel)
    out.write(table([found.headings, *found.rows]))
    return 0


VERB = Verb(
    "top", "Show the processes of a container", _run,
    arguments=(Argument("CONTAINER", 0, 1, CONTAINER), Argument("COLUMN", 0, None)), options=(LATEST,), interspersed=False,
    notes=("Columns: args capamb capbnd capeff capinh capprm comm etime group groups hgroup hgroups hpid huser label nice pcpu "
           "pgid pid ppid rgroup rss ruser seccomp state stime time tty user vsz; or ps(1)'s letters, such as %C and %p.",
           "Options of ps(1) are given to the host's: conman top CONTAINER -eo user,pid,comm"))
