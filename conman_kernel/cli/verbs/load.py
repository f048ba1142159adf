"""``conman load``, also ``conman image load``."""

from __future__ import annotations

import os

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import FLAG, Option, Verb
from ..pulling import PullDisplay
from ..values import Values


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    source = values.text("input")
    if source in ("", "-"):
        if os.isatty(0):
            raise InvalidInput("cannot read from a terminal, use command-line redirection or the --input flag")
        source = "/dev/stdin"
    with PullDisplay(conman, quiet=values.flag("quiet")) as display:
        loaded = conman.images.load(source, progress=display, cancel=context.cancel)
    for image, names in loaded:
        for name in names or (f"sha256:{image.id}",):
            out.line(f"Loaded image: {name}")
    return 0


VERB = Verb(
    "load", "Bring the images of an archive or folder here", _run,
    options=(
        Option("--input", "The archive or folder; without it, standard input", short="-i", metavar="PATH"),
        Option("--quiet", "Print no progress", FLAG, short="-q"),
    ),
    notes=("It may be an OCI layout or its archive, what docker save and podman save write, or a dir: folder; archives may be "
           "compressed.",))
