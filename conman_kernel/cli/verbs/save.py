"""``conman save``, also ``conman image save``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidInput
from ..context import Context
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..moving import output_stream
from ..pulling import PullDisplay
from ..values import Values

if TYPE_CHECKING:
    from ...images.conversion import ManifestFormat

_FORMATS: dict[str, tuple[str, ManifestFormat | None]] = {
    "docker-archive": ("docker-archive", None), "oci-archive": ("oci-archive", "oci"), "oci-dir": ("oci", "oci"),
    "docker-dir": ("dir", "docker"), "dir": ("dir", None)}


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    scheme, manifest = _FORMATS[values.text("format")]
    output = values.text("output")
    if not output and scheme in ("oci", "dir"):
        raise InvalidInput(f"--format {values.text('format')} makes a folder: --output must name it")
    if ":" in output:
        raise InvalidInput(f"invalid filename (should not contain ':') {output!r}")
    path = output if output and output != "-" else output_stream()
    exact = values.flag("preserve-digests")
    with PullDisplay(conman, quiet=values.flag("quiet") or not output) as display:
        conman.images.save(list(values.arguments), f"{scheme}:{path}", format=None if exact else manifest, progress=display,
                           cancel=context.cancel)
    return 0


VERB = Verb(
    "save", "Write images to an archive or folder", _run,
    arguments=(Argument("IMAGE", 1, None, IMAGE),),
    missing="requires at least 1 arg(s), only received 0",
    options=(
        Option("--format", "docker-archive, oci-archive, oci-dir, docker-dir or dir", default="docker-archive", metavar="FORMAT",
               choices=tuple(_FORMATS)),
        Option("--multi-image-archive", "Accepted for podman's sake: an archive holds as many images as are named", FLAG,
               short="-m"),
        Option("--output", "The file or folder; without it, standard output", short="-o", metavar="PATH"),
        Option("--preserve-digests", "Keep manifests as they are, also Docker's in an OCI archive", FLAG),
        Option("--quiet", "Print no progress", FLAG, short="-q"),
    ))
