"""``conman attach``."""

from __future__ import annotations

from ...containers.streams import Streams
from ...errors import InvalidState
from .. import streams
from ..context import Context
from ..declare import CONTAINER, FLAG, Argument, Option, Verb
from ..several import LATEST, one
from ..values import Values


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    container = one(conman, values, missing='"conman attach" requires a name, id, or the "--latest" flag')
    if container.state != "running":
        raise InvalidState("you can only attach to running containers",
                           hint=f"it is {container.state}; 'conman start -a {container.name}' starts and attaches")
    joined = Streams(stdin=-1 if values.flag("no-stdin") else 0, stdout=1, stderr=2,
                     detach_keys=streams.detach_keys(conman, values), forward_signals=values.flag("sig-proxy"))
    return streams.exit_code(container.join(joined, cancel=context.cancel))


VERB = Verb(
    "attach", "Attach to a running container", _run,
    arguments=(Argument("CONTAINER", 0, 1, CONTAINER),),
    options=(
        streams.DETACH_KEYS,
        LATEST,
        Option("--no-stdin", "Do not attach standard input", FLAG),
        streams.SIG_PROXY,
    ))
