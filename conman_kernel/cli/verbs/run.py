"""``conman run``."""

from __future__ import annotations

from ...containers.attached import Streams
from .. import out, streams
from ..container_options import NETWORK_NOTE, OPTIONS
from ..container_record import container_record
from ..context import Context
from ..creating import ensure_image, make_room
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..values import Values


def _run(context: Context, values: Values) -> int:
    options = container_record(values)
    conman = context.conman()
    detach = values.flag("detach")
    keys = streams.detach_keys(conman, values)
    if not detach:
        streams.warn_without_terminal(terminal=options.terminal, stdin=options.stdin_open)
    make_room(conman, values, options, cancel=context.cancel)
    image = ensure_image(conman, values, cancel=context.cancel)
    if detach:
        out.line(conman.containers.run_detached(image, options, cancel=context.cancel).id)
        return 0
    joined = Streams(stdin=0 if options.stdin_open else -1, stdout=1, stderr=2, detach_keys=keys,
                     forward_signals=values.flag("sig-proxy"))
    return streams.exit_code(conman.containers.run_attached(image, options, joined, cancel=context.cancel))


VERB = Verb(
    "run", "Create a container and run it", _run,
    arguments=(Argument("IMAGE", 1, 1, IMAGE), Argument("COMMAND", 0, None)), interspersed=False,
    options=tuple(sorted(OPTIONS + (
        Option("--detach", "Run in the background and print the container's id", FLAG, "-d"),
        streams.DETACH_KEYS,
        streams.SIG_PROXY,
    ), key=lambda option: option.long)),
    notes=(NETWORK_NOTE,))
