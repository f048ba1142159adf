"""``conman rmi``, also ``conman image rm``."""

from __future__ import annotations

from ...errors import ConmanError, InvalidInput, NotFound
from .. import out
from ..context import Context
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..several import removal_code
from ..values import Values


def _run(context: Context, values: Values) -> int:
    names, everything = list(values.arguments), values.flag("all")
    if everything and names:
        raise InvalidInput("when using the --all switch, you may not pass any images names or IDs")
    if not everything and not names:
        raise InvalidInput("image name or ID must be specified")
    images = context.conman().images
    if everything:
        names = [image.id for image in images.list()]
    codes: set[int] = set()
    for name in names:
        try:
            report = images.remove(name, force=values.flag("force") or everything, cancel=context.cancel)
        except NotFound as error:
            if not values.flag("ignore"):
                out.report(error)
                codes.add(removal_code(error))
        except ConmanError as error:
            if context.cancel.cancelled:
                raise
            out.report(error)
            codes.add(removal_code(error))
        else:
            out.write("".join(f"Untagged: {tag}\n" for tag in report.untagged))
            out.write("".join(f"Deleted: {id}\n" for id in report.deleted))
    return 0 if not codes else codes.pop() if len(codes) == 1 else 125


VERB = Verb(
    "rmi", "Remove images or names of images", _run,
    arguments=(Argument("IMAGE", 0, None, IMAGE),),
    options=(
        Option("--all", "Remove all images that no container uses", FLAG, short="-a"),
        Option("--force", "Remove an image with all its names", FLAG, short="-f"),
        Option("--ignore", "An image that does not exist is no error", FLAG, short="-i"),
        Option("--no-prune", "Accepted for podman's sake: only what is named is removed", FLAG, hidden=True),
    ))
