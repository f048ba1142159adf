"""``conman rmi``, also ``conman image rm``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConmanError, InvalidInput, InvalidState, NotFound
from .. import out
from ..context import Context
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..values import Values

if TYPE_CHECKING:
    from ...images.records import RemoveReport


def _run(context: Context, values: Values) -> int:
    names, everything = list(values.arguments), values.flag("all")
    if everything and names:
        raise InvalidInput("when using the --all switch, you may not pass any images names or IDs")
    if not everything and not names:
        raise InvalidInput("image name or ID must be specified")
    if everything:
        names = [image.id for image in context.conman().images.list()]
    force = values.flag("force")
    codes: set[int] = set()
    for name in names:
        try:
            report = _remove(context, name, force=force, every_name=force or everything)
        except NotFound as error:
            if not (values.flag("ignore") or force):
                out.report(error)
                codes.add(1)
        except ConmanError as error:
            if context.cancel.cancelled:
                raise
            out.report(error)
            codes.add(error.exit_code)
        else:
            out.write("".join(f"Untagged: {tag}\n" for tag in report.untagged))
            out.write("".join(f"Deleted: {id}\n" for id in report.deleted))
    # As podman: that a container uses one says more than that another is not here.
    return 0 if not codes else 2 if codes <= {1, 2} and 2 in codes else codes.pop() if len(codes) == 1 else 125


def _remove(context: Context, name: str, *, force: bool, every_name: bool) -> RemoveReport:
    """Remove an image; where containers hold it, with ``force`` those first."""
    conman = context.conman()
    try:
        return conman.images.remove(name, force=every_name, cancel=context.cancel)
    except InvalidState:
        holders = conman.images.users(conman.images.get(name).id) if force else ()
        if not holders:
            raise
    for id, _ in holders:
        try:
            container = conman.containers.get(id)
        except NotFound:
            continue  # it went by itself meanwhile
        container.remove(force=True, cancel=context.cancel)
    return conman.images.remove(name, force=every_name, cancel=context.cancel)


VERB = Verb(
    "rmi", "Remove images or names of images", _run,
    arguments=(Argument("IMAGE", 0, None, IMAGE),),
    options=(
        Option("--all", "Remove all images that no container uses", FLAG, short="-a"),
        Option("--force", "Remove the containers that use it too; an id goes with all its names", FLAG, short="-f"),
        Option("--ignore", "An image that does not exist is no error", FLAG, short="-i"),
        Option("--no-prune", "Accepted for podman's sake: only what is named is removed", FLAG, hidden=True),
    ))
