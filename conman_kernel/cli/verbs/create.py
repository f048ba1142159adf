"""``conman create``."""

from __future__ import annotations

from .. import out
from ..access import access
from ..container_options import NETWORK_NOTE, OPTIONS
from ..container_record import container_record
from ..context import Context
from ..creating import ensure_image, make_room
from ..declare import IMAGE, Argument, Verb
from ..pulling import policy, wanted_platform
from ..values import Values


def _run(context: Context, values: Values) -> int:
    options = container_record(values)
    conman = context.conman()
    if values.flag("explain"):
        from ..explaining import show

        return show(conman.explain_run(values.arguments[0], options, policy=policy(values, "pull"), start=False,
                                       platform=wanted_platform(values), access=access(values), cancel=context.cancel),
                    values)
    make_room(conman, values, options, cancel=context.cancel)
    image = ensure_image(conman, values, cancel=context.cancel)
    out.line(conman.containers.create(image, options, runnable=True, cancel=context.cancel).id)
    return 0


VERB = Verb(
    "create", "Create a container without starting it", _run,
    arguments=(Argument("IMAGE", 1, 1, IMAGE), Argument("COMMAND", 0, None)), interspersed=False, options=OPTIONS,
    notes=(NETWORK_NOTE,))
