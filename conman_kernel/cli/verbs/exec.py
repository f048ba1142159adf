"""``conman exec``."""

from __future__ import annotations

from ...containers.attached import Streams
from ...containers.execs import ExecOptions
from ...errors import InvalidInput
from .. import out, streams
from ..container_record import environment
from ..context import Context
from ..declare import ARRAY, CONTAINER, FLAG, LIST, Argument, Option, Verb
from ..several import LATEST
from ..values import Values


def _run(context: Context, values: Values) -> int:
    words = list(values.arguments)
    conman = context.conman()
    if values.flag("latest"):
        newest = conman.containers.list(all=True, last=1)
        words[:0] = [container.id for container in newest]
    if not words:
        raise InvalidInput("exec requires the name or ID of a container or the --latest flag")
    container, command = conman.containers.get(words[0]), words[1:]
    if not command:
        raise InvalidInput("must provide a non-empty command to start an exec session: invalid argument")
    terminal, stdin_open, detach = values.flag("tty"), values.flag("interactive"), values.flag("detach")
    options = ExecOptions(
        command=tuple(command), env=environment(values), workdir=values.text("workdir"), user=values.text("user"),
        terminal=terminal, stdin_open=stdin_open, privileged=values.flag("privileged"))
    joined = None
    if not detach:
        streams.warn_without_terminal(terminal=terminal, stdin=stdin_open)
        joined = Streams(stdin=0 if stdin_open else -1, stdout=1, stderr=2, detach_keys=streams.detach_keys(conman,
                                                                                                            values))
    outcome = container.exec(options, joined, cancel=context.cancel)
    if detach:
        out.line(outcome.container_id)
        return 0
    return streams.exit_code(outcome)


VERB = Verb(
    "exec", "Run a command in a running container", _run,
    arguments=(Argument("CONTAINER", 0, 1, CONTAINER), Argument("COMMAND", 0, None)),
    interspersed=False,
    options=(
        Option("--detach", "Run the command in the background", FLAG, short="-d"),
        streams.DETACH_KEYS,
        Option("--env", "Set an environment variable; NAME alone takes this shell's value", ARRAY, short="-e",
               metavar="NAME=VALUE"),
        Option("--env-file", "Read environment variables from this file", LIST, metavar="FILE"),
        Option("--interactive", "Keep standard input open", FLAG, short="-i"),
        LATEST,
        Option("--privileged", "Give the command all capabilities", FLAG),
        Option("--tty", "Give the command a terminal", FLAG, short="-t"),
        Option("--user", "User, by name or number, with :GROUP where wanted", short="-u", metavar="USER"),
        Option("--workdir", "Working folder inside the container", short="-w", metavar="FOLDER"),
    ))
