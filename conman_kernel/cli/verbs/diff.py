"""``conman diff``, also ``conman container diff`` and ``conman image diff``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Callable

from ...errors import InvalidInput, NotFound
from .. import out
from ..context import Context
from ..declare import CONTAINER, IMAGE, Argument, Option, Verb
from ..go_format import json_text
from ..several import LATEST
from ..values import Values

if TYPE_CHECKING:
    from ...containers.container import Container
    from ...images.image import Image
    from ...kernel import Conman
    from ...worker.jobs import Change

    Thing = Container | Image
    Finder = Callable[[Conman, str], Thing]

_KEYS = {"C": "changed", "A": "added", "D": "deleted"}


def _either(conman: Conman, name: str) -> Thing:
    try:
        return conman.containers.get(name)
    except NotFound:
        try:
            return conman.images.get(name)
        except NotFound:
            raise NotFound(f"{name} not found: no such container or image") from None


def _container(conman: Conman, name: str) -> Thing:
    return conman.containers.get(name)


def _image(conman: Conman, name: str) -> Thing:
    return conman.images.get(name)


def _run(context: Context, values: Values, find: Finder) -> int:
    if values.given("format") and values.text("format") != "json":
        raise InvalidInput(f'only supported value for "--format" is "json", not "{values.text("format")}"')
    conman = context.conman()
    names = list(values.arguments)
    latest = values.everything().get("latest") is True
    if latest and names:
        raise InvalidInput("--latest and names cannot be used together")
    if not latest and not names:
        raise InvalidInput('"conman diff" requires a name, id, or the "--latest" flag')
    if latest:
        newest = conman.containers.list(all=True, last=1)
        if not newest:
            raise NotFound("no containers to act on: no such container")
        things: list[Thing] = list(newest)
    else:
        things = [find(conman, name) for name in names]
    changes = things[0].diff(cancel=context.cancel) if len(things) == 1 else _between(context, conman, things[0], things[1])
    if values.given("format"):
        listed: dict[str, list[str]] = {}
        for change in changes:
            listed.setdefault(_KEYS[change.kind], []).append(change.path)
        out.write(json_text({key: listed[key] for key in _KEYS.values() if key in listed}, indent=5))
    else:
        out.write("".join(f"{change.kind} {change.path}\n" for change in changes))
    return 0


def _between(context: Context, conman: Conman, one: Thing, other: Thing) -> tuple[Change, ...]:
    from ...oci.runtime.own import without_own

    upper: AbstractContextManager[str] = one.mount(cancel=context.cancel)
    with upper as above:
        lower: AbstractContextManager[str] = other.mount(cancel=context.cancel)
        with lower as below:
            return without_own(conman.images.writable.compare(above, below, cancel=context.cancel))


_FORMAT = Option("--format", "json", metavar="FORMAT")
_NOTE = ("A is added, C changed, D deleted. What every start makes (/dev, /etc/hosts and the like) is left out. A second name is "
         "what it is compared with, instead of the layer below.")

VERB = Verb("diff", "Show what changed in a container, or in an image's topmost layer",
            lambda context, values: _run(context, values, _either),
            arguments=(Argument("CONTAINER|IMAGE", 0, 2, CONTAINER),), options=(_FORMAT, LATEST), notes=(_NOTE,))

OF_CONTAINER = Verb("diff", "Show what changed in a container's file system",
                    lambda context, values: _run(context, values, _container),
                    arguments=(Argument("CONTAINER", 0, 2, CONTAINER),), options=(_FORMAT, LATEST), notes=(_NOTE,))

OF_IMAGE = Verb("diff", "Show what an image's topmost layer changed", lambda context, values: _run(context, values, _image),
                arguments=(Argument("IMAGE", 1, 2, IMAGE),), options=(_FORMAT,), notes=(_NOTE,))
