"""``conman unmount``, also ``umount``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..context import Context
from ..declare import CONTAINER, FLAG, Argument, Option, Verb
from ..several import LATEST, act, targets
from ..values import Values

if TYPE_CHECKING:
    from ...containers.container import Container


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    found = targets(conman, values)
    if values.flag("all"):
        found = [target for target in found if target.container.mount_point]

    def unmount(container: Container) -> None:
        container.unmount(force=values.flag("force"))

    return act(found, unmount)


VERB = Verb(
    "unmount", "Unmount containers' root file systems", _run,
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),),
    options=(
        Option("--all", "Unmount all containers that are mounted", FLAG, short="-a"),
        Option("--force", "Unmount even where it was mounted several times", FLAG, short="-f"),
        LATEST,
    ))
