"""``conman push``, also ``conman image push``."""

from __future__ import annotations

from .. import out
from ..access import ACCESS_OPTIONS, access
from ..context import Context
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..moving import FORMAT, manifest_format, standard_stream, write_digest
from ..pulling import PullDisplay
from ..values import Values


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    image, *rest = values.arguments
    destination = standard_stream(rest[0], writing=True) if rest else ""
    with PullDisplay(conman, quiet=values.flag("quiet")) as display:
        digest = conman.images.push(image, destination, access=access(values), format=manifest_format(values), progress=display,
                                    cancel=context.cancel)
    write_digest(values, digest)
    if not values.flag("quiet"):
        out.error_text(f"Pushed {digest}\n")
    return 0


VERB = Verb(
    "push", "Send an image to a registry, an archive or a layout", _run,
    arguments=(Argument("IMAGE", 1, 1, IMAGE), Argument("DESTINATION", 0, 1)),
    options=(
        *ACCESS_OPTIONS,
        Option("--digestfile", "Write the digest of the pushed manifest to this file", metavar="FILE"),
        FORMAT,
        Option("--quiet", "Print no progress", FLAG, short="-q"),
    ),
    notes=("Without a DESTINATION the image goes where its name says. Layers that the registry has already, in this "
           "repository or in one where they were seen before, are not sent again.",))
