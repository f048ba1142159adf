"""``conman commit``, also ``conman container commit``."""

from __future__ import annotations

from ...errors import Unavailable
from .. import out
from ..context import Context
from ..declare import ARRAY, CONTAINER, FLAG, Argument, Option, Verb
from ..values import Values

CHANGE = Option("--change", "Apply an instruction to the image: CMD | ENTRYPOINT | ENV | EXPOSE | HEALTHCHECK | LABEL | "
                "ONBUILD | STOPSIGNAL | USER | VOLUME | WORKDIR", ARRAY, short="-c", metavar="INSTRUCTION")


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    container = conman.containers.get(values.arguments[0])
    image = container.commit(
        values.arguments[1] if len(values.arguments) > 1 else "", author=values.text("author"), message=values.text("message"),
        changes=values.many("change"), pause=values.flag("pause"),
        format="docker" if values.text("format") == "docker" else "oci",
        include_volumes=values.flag("include-volumes"), squash=values.flag("squash"), cancel=context.cancel)
    path = values.text("iidfile")
    if path:
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(image.id)
        except OSError as error:
            raise Unavailable(f"cannot write the image's id to {path}: {error.strerror}",
                              hint=f"the image is here: {image.id}") from None
    out.line(image.id)
    return 0


VERB = Verb(
    "commit", "Make an image of a container", _run,
    arguments=(Argument("CONTAINER", 1, 1, CONTAINER), Argument("IMAGE", 0, 1)),
    options=(
        Option("--author", "Who made it", short="-a", metavar="AUTHOR"),
        CHANGE,
        Option("--format", "oci or docker", short="-f", default="oci", metavar="FORMAT", choices=("oci", "docker")),
        Option("--iidfile", "Write the image's id to this file", metavar="FILE"),
        Option("--include-volumes", "What is bound into the container becomes the image's VOLUME", FLAG),
        Option("--message", "The comment of this step in the image's history", short="-m", metavar="TEXT"),
        Option("--pause", "Pause the container meanwhile", FLAG, short="-p"),
        Option("--quiet", "Accepted for podman's sake: nothing but the id is printed anyway", FLAG, short="-q"),
        Option("--squash", "One layer with everything", FLAG, short="-s"),
    ))
