"""``conman run``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...containers.streams import Streams
from ...errors import InvalidInput
from .. import out, streams
from ..access import access
from ..container_options import NETWORK_NOTE, OPTIONS
from ..container_record import container_record
from ..context import Context
from ..creating import ensure_image, make_room
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..pulling import policy, wanted_platform
from ..values import Values

if TYPE_CHECKING:
    from ...oci.runtime.options import ContainerOptions

_STREAMS = {"stdin": 0, "stdout": 1, "stderr": 2}


def _run(context: Context, values: Values) -> int:
    options = container_record(values)
    conman = context.conman()
    if values.flag("explain"):
        from ..explaining import show

        return show(conman.explain_run(values.arguments[0], options, policy=policy(values, "pull"), start=True,
                                       platform=wanted_platform(values), access=access(values), cancel=context.cancel),
                    values)
    detach = values.flag("detach")
    joined = _streams(values, options, streams.detach_keys(conman, values))
    if not detach:
        streams.warn_without_terminal(terminal=options.terminal, stdin=options.stdin_open)
    make_room(conman, values, options, cancel=context.cancel)
    image = ensure_image(conman, values, cancel=context.cancel)
    if detach:
        out.line(conman.containers.run_detached(image, options, cancel=context.cancel).id)
        return 0
    if joined.stdout < 0 and joined.stderr < 0:
        container = conman.containers.run_fed(image, options, joined.stdin if joined.stdin >= 0 else b"", cancel=context.cancel)
        out.line(container.id)
        return 0
    return streams.exit_code(conman.containers.run_attached(image, options, joined, cancel=context.cancel))


def _streams(values: Values, options: ContainerOptions, keys: bytes) -> Streams:
    """What ``--attach`` leaves of the command's own descriptors; ``--interactive`` joins standard input in any case."""
    named = {stream.lower() for stream in values.many("attach")}
    for stream in sorted(named - set(_STREAMS)):
        raise InvalidInput(f'invalid stream "{stream}" for --attach - must be one of stdin, stdout, or stderr: invalid argument')
    wanted = named or {"stdout", "stderr"}
    stdin, stdout, stderr = (fd if name in wanted or (fd == 0 and options.stdin_open) else -1
                             for name, fd in _STREAMS.items())
    return Streams(stdin=stdin, stdout=stdout, stderr=stderr, detach_keys=keys, forward_signals=values.flag("sig-proxy"))


VERB = Verb(
    "run", "Create a container and run it", _run,
    arguments=(Argument("IMAGE", 1, 1, IMAGE), Argument("COMMAND", 0, None)), interspersed=False,
    options=tuple(sorted(OPTIONS + (
        Option("--detach", "Run in the background and print the container's id", FLAG, "-d"),
        streams.DETACH_KEYS,
        streams.SIG_PROXY,
    ), key=lambda option: option.long)),
    notes=(NETWORK_NOTE,))
