"""``conman rm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConmanError, InvalidInput
from ..context import Context
from ..declare import CONTAINER, FLAG, INTEGER, LIST, Argument, Option, Verb
from ..several import CIDFILE, IGNORE, LATEST, act, removal_code, targets
from ..values import Values

if TYPE_CHECKING:
    from ...containers.container import Container


def _run(context: Context, values: Values) -> int:
    force, timeout = values.flag("force"), values.integer("time")

    if timeout is not None and not force:
        raise InvalidInput("--force option must be specified to use the --time option")

    def remove(container: Container) -> None:
        container.remove(force=force, timeout=timeout, volumes=values.flag("volumes"), cancel=context.cancel)

    conman = context.conman()
    try:
        found = targets(conman, values, ignore=force)
    except ConmanError as error:
        error.exit_code = removal_code(error)
        raise
    return act(found, remove, code=removal_code)


VERB = Verb(
    "rm", "Remove one or more containers", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Remove all containers", FLAG, short="-a"),
        CIDFILE,
        Option("--filter", "Act on the containers that match, such as status=exited", LIST, metavar="KEY=VALUE"),
        Option("--force", "Stop and remove running containers too; one that does not exist is no error", FLAG, short="-f"),
        IGNORE,
        LATEST,
        Option("--time", "With --force: seconds between the stop signal and SIGKILL", INTEGER, short="-t",
               metavar="SECONDS"),
        Option("--volumes", "Remove the anonymous volumes that no other container has, too", FLAG, short="-v"),
    ))
