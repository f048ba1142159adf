"""``conman start``."""

from __future__ import annotations

from ...containers.streams import Streams
from ...errors import CommandNotExecutable, CommandNotFound, InvalidInput
from .. import streams
from ..context import Context
from ..declare import CONTAINER, FLAG, LIST, Argument, Option, Verb
from ..several import LATEST, act, targets
from ..values import Values

EXIT_NOT_STARTED = 125
"""podman's exit code of ``start`` whatever the reason, attached or not; 126 and 127 are ``run``'s and ``exec``'s."""


def _run(context: Context, values: Values) -> int:
    try:
        return _start(context, values)
    except (CommandNotFound, CommandNotExecutable) as error:
        error.exit_code = EXIT_NOT_STARTED
        raise


def _start(context: Context, values: Values) -> int:
    conman = context.conman()
    attach = values.flag("attach") or values.flag("interactive")
    if attach and (len(values.arguments) > 1 or values.flag("all")):
        raise InvalidInput("you cannot start and attach multiple containers at once")
    if values.given("sig-proxy") and values.flag("sig-proxy") and not attach:
        raise InvalidInput("you cannot use sig-proxy without --attach")
    found = targets(conman, values, missing="start requires at least one argument")
    if not attach:
        return act(found, lambda container: container.start(cancel=context.cancel),
                   code=lambda error: EXIT_NOT_STARTED)
    container = found[0].container
    joined = Streams(stdin=0 if values.flag("interactive") else -1, stdout=1, stderr=2,
                     detach_keys=streams.detach_keys(conman, values), forward_signals=values.flag("sig-proxy"))
    if container.state == "running":
        return streams.exit_code(container.join(joined, cancel=context.cancel))
    return streams.exit_code(container.start_attached(joined, cancel=context.cancel))


VERB = Verb(
    "start", "Start one or more containers", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Start all containers", FLAG),
        Option("--attach", "Attach the container's output", FLAG, short="-a"),
        streams.DETACH_KEYS,
        Option("--filter", "Act on the containers that match, such as status=exited", LIST, short="-f",
               metavar="KEY=VALUE"),
        Option("--interactive", "Attach standard input too", FLAG, short="-i"),
        LATEST,
        streams.SIG_PROXY,
    ))
