"""``conman exec``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...containers.execs.launch import EXIT_REFUSED
from ...containers.execs.options import ExecOptions
from ...containers.streams import Streams
from ...errors import Cancelled, ConmanError, InvalidInput
from .. import out, streams
from ..container_record import environment
from ..context import Context
from ..declare import ARRAY, CONTAINER, FLAG, LIST, Argument, Option, Verb
from ..several import LATEST
from ..values import Values

if TYPE_CHECKING:
    from ...containers.container import Container

EXIT_NOT_BEGUN = 125
"""podman's exit code for a detached exec that could not begin, whatever the reason."""


def _run(context: Context, values: Values) -> int:
    words = list(values.arguments)
    conman = context.conman()
    if values.flag("latest"):
        newest = conman.containers.list(all=True, last=1)
        words[:0] = [container.id for container in newest]
    if not words:
        raise InvalidInput("exec requires the name or ID of a container or the --latest flag")
    container = conman.containers.get(words[0])
    options = ExecOptions(
        command=tuple(words[1:]), env=environment(values), workdir=values.text("workdir"), user=values.text("user"),
        terminal=values.flag("tty"), stdin_open=values.flag("interactive"), privileged=values.flag("privileged"))
    try:
        return _exec(context, container, options, values)
    except ConmanError as error:
        if values.flag("detach") and not isinstance(error, Cancelled):
            error.exit_code = EXIT_NOT_BEGUN
        raise


def _exec(context: Context, container: Container, options: ExecOptions, values: Values) -> int:
    if not options.command:
        error = InvalidInput("must provide a non-empty command to start an exec session: invalid argument")
        error.exit_code = EXIT_REFUSED
        raise error
    if values.flag("detach"):
        out.line(container.exec_detached(options, cancel=context.cancel).id)
        return 0
    try:
        keys = streams.detach_keys(context.conman(), values)
    except InvalidInput as error:
        error.exit_code = EXIT_REFUSED
        raise
    streams.warn_without_terminal(terminal=options.terminal, stdin=options.stdin_open)
    # Signals that this command gets are its own (podman's and docker's rule): the process goes on without it.
    joined = Streams(stdin=0 if options.stdin_open else -1, stdout=1, stderr=2, detach_keys=keys, forward_signals=False)
    return streams.exit_code(container.exec_attached(options, joined, cancel=context.cancel))


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
