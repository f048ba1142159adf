"""``conman container exists`` and ``conman image exists``."""

from __future__ import annotations

from ...errors import NotFound
from ..context import Context
from ..declare import CONTAINER, FLAG, IMAGE, Argument, Option, Verb
from ..values import Values


def _of_image(context: Context, values: Values) -> int:
    try:
        context.conman().images.get(values.arguments[0])
    except NotFound:
        return 1
    return 0


def _of_container(context: Context, values: Values) -> int:
    try:
        context.conman().containers.get(values.arguments[0])
    except NotFound:
        return 1
    return 0


OF_CONTAINER = Verb(
    "exists", "Exit with 0 where the container is here, with 1 where it is not; nothing is printed", _of_container,
    arguments=(Argument("CONTAINER", 1, 1, CONTAINER),),
    options=(Option("--external", "Accepted for podman's sake: nothing else shares the store", FLAG, hidden=True),))

OF_IMAGE = Verb("exists", "Exit with 0 where the image is here, with 1 where it is not; nothing is printed", _of_image,
                arguments=(Argument("IMAGE", 1, 1, IMAGE),))
