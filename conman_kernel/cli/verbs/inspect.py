"""``conman inspect``, ``conman container inspect`` and ``conman image inspect``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidInput, NotFound
from .. import out
from ..context import Context
from ..declare import CONTAINER, FLAG, IMAGE, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..values import Values

if TYPE_CHECKING:
    from ...kernel import Conman

_LATER = ("pod", "network")


def _run(context: Context, values: Values) -> int:
    return _inspect(context, values, values.text("type"))


def _inspect(context: Context, values: Values, kind: str) -> int:
    if kind in _LATER:
        raise InvalidInput(f"--type {kind} is not supported yet", hint="container, image, volume and all are")
    names = list(values.arguments)
    conman = context.conman()
    if values.flag("latest"):
        names += [container.id for container in conman.containers.list(all=True, last=1)]
    if not names:
        raise InvalidInput("no names or ids specified")
    found: list[dict[str, object]] = []
    problems: list[NotFound] = []
    for name in names:
        try:
            found.append(_document(conman, name, kind))
        except NotFound as missing:
            problems.append(missing)
    if wants_json(values.text("format")):
        out.write(json_text(found, indent=5))
    elif found:
        out.write(render(values.text("format"), found, {}))
    for error in problems:
        out.report(error)
    return 125 if problems else 0


def _document(conman: Conman, name: str, kind: str) -> dict[str, object]:
    if kind in ("all", "container"):
        try:
            return conman.containers.get(name).inspect()
        except NotFound:
            if kind == "container":
                raise NotFound(f"inspecting object: no such container {name}") from None
    if kind != "volume":
        try:
            return conman.images.inspect(conman.images.get(name))
        except NotFound:
            if kind == "image":
                raise NotFound(f"inspecting object: {name}: image not known") from None
        except InvalidInput:
            if kind == "image":
                raise
    try:
        return conman.volumes.get(name).inspect()
    except NotFound:
        said = f"no such volume {name}" if kind == "volume" else f'no such object: "{name}"'
        raise NotFound(f"inspecting object: {said}") from None


_FORMAT = Option("--format", "json, or a template such as '{{.State.Status}}'", short="-f", metavar="FORMAT",
                 default="json")
_LATEST = Option("--latest", "Describe the newest container", FLAG, short="-l")

VERB = Verb(
    "inspect", "Describe containers and images as JSON", _run,
    arguments=(Argument("NAME", 0, None, CONTAINER),),
    options=(
        _FORMAT,
        _LATEST,
        Option("--type", "What the names are: container, image, volume or all", short="-t", metavar="TYPE", default="all",
               choices=("all", "container", "image", "volume", *_LATER)),
    ))

OF_CONTAINER = Verb(
    "inspect", "Describe containers as JSON", lambda context, values: _inspect(context, values, "container"),
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),), options=(_FORMAT, _LATEST))

OF_IMAGE = Verb(
    "inspect", "Describe images as JSON", lambda context, values: _inspect(context, values, "image"),
    arguments=(Argument("IMAGE", 0, None, IMAGE),),
    options=(_FORMAT, _LATEST._replace(hidden=True)))
