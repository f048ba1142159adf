"""``conman import``, also ``conman image import``."""

from __future__ import annotations

import os

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import FLAG, Argument, Option, Verb
from ..pulling import platform_of_parts
from ..values import Values
from .commit import CHANGE


def _run(context: Context, values: Values) -> int:
    source = values.arguments[0]
    if source == "-" and os.isatty(0):
        raise InvalidInput("cannot read from a terminal: redirect standard input, or name a file")
    conman = context.conman()
    image = conman.images.import_(source, values.arguments[1] if len(values.arguments) > 1 else "",
                                  changes=values.many("change"), message=values.text("message"),
                                  platform=platform_of_parts(values), cancel=context.cancel)
    out.line(f"sha256:{image.id}")
    return 0


VERB = Verb(
    "import", "Make an image of a root file system's tar", _run, arguments=(Argument("PATH", 1, 1), Argument("REFERENCE", 0, 1)),
    options=(
        Option("--arch", "The architecture it is for", metavar="ARCH"),
        CHANGE,
        Option("--message", "The comment of its step in the history", short="-m", metavar="TEXT"),
        Option("--os", "The operating system it is for", metavar="OS"),
        Option("--quiet", "Accepted for podman's sake: nothing but the id is printed anyway", FLAG, short="-q"),
        Option("--variant", "The architecture's variant", metavar="VARIANT"),
    ),
    notes=("PATH - is standard input. The tar may be compressed with gzip, zstd, xz or bzip2.",))
