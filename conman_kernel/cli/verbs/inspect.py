"""``conman inspect``, ``conman container inspect`` and ``conman image inspect``."""

from __future__ import annotations

from ...errors import InvalidInput, NotFound
from .. import out
from ..context import Context
from ..declare import CONTAINER, FLAG, IMAGE, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..values import Values

_KINDS = ("container", "image", "volume", "network")


def _run(context: Context, values: Values) -> int:
    return _inspect(context, values, values.text("type"))


def _inspect(context: Context, values: Values, kind: str) -> int:
    if kind == "pod":
        raise InvalidInput("--type pod is not supported: there are no pods", hint=f"one of {', '.join((*_KINDS, 'all'))}")
    names = list(values.arguments)
    conman = context.conman()
    if values.flag("latest"):
        names += [container.id for container in conman.containers.list(all=True, last=1)]
    if not names:
        raise InvalidInput("no names or ids specified")
    found: list[tuple[str, dict[str, object]]] = []
    problems: list[NotFound] = []
    for name in names:
        try:
            found.append(_document(context, name, kind, sized=values.flag("size")))
        except NotFound as missing:
            problems.append(missing)
    if wants_json(values.text("format")):
        out.write(json_text([document for _, document in found], indent=5))
    elif found:
        from ..docker_names import of_inspected

        out.write(render(values.text("format"), [of_inspected(what, document) for what, document in found], {}))
    for error in problems:
        out.report(error)
    return 125 if problems else 0


def _document(context: Context, name: str, kind: str, *, sized: bool) -> tuple[str, dict[str, object]]:
    """What it is, and what is said of it. The kinds are tried in podman's order."""
    for what in _KINDS if kind == "all" else (kind,):
        try:
            return what, _of_kind(context, name, what, sized=sized)
        except NotFound:
            continue
        except InvalidInput:  # no name that an image could have
            if kind == "image":
                raise
    said = {"container": f"no such container {name}", "image": f"{name}: image not known", "volume": f"no such volume {name}",
            "network": f"no such network {name}"}
    raise NotFound("inspecting object: " + (said.get(kind) or f'no such object: "{name}"'))


def _of_kind(context: Context, name: str, kind: str, *, sized: bool) -> dict[str, object]:
    conman = context.conman()
    if kind == "container":
        container = conman.containers.get(name)
        document = container.inspect()
        if sized:
            size = conman.system.container_size(container, cancel=context.cancel)
            document.update(SizeRw=size.writable, SizeRootFs=size.virtual)
        return document
    if kind == "image":
        return conman.images.inspect(conman.images.get(name))
    return conman.volumes.get(name).inspect() if kind == "volume" else conman.networks.get(name).inspect()


_FORMAT = Option("--format", "json, or a template such as '{{.State.Status}}'", short="-f", metavar="FORMAT",
                 default="json")
_LATEST = Option("--latest", "Describe the newest container", FLAG, short="-l")
_SIZE = Option("--size", "Say what a container takes on disk, by itself and with its image", FLAG, short="-s")

VERB = Verb(
    "inspect", "Describe containers, images, volumes and networks as JSON", _run,
    arguments=(Argument("NAME", 0, None, CONTAINER),),
    options=(
        _FORMAT,
        _LATEST,
        _SIZE,
        Option("--type", "What the names are: container, image, volume, network or all", short="-t", metavar="TYPE",
               default="all", choices=("all", *_KINDS, "pod")),
    ))

OF_CONTAINER = Verb(
    "inspect", "Describe containers as JSON", lambda context, values: _inspect(context, values, "container"),
    arguments=(Argument("CONTAINER", 0, None, CONTAINER),), options=(_FORMAT, _LATEST, _SIZE))

OF_IMAGE = Verb(
    "inspect", "Describe images as JSON", lambda context, values: _inspect(context, values, "image"),
    arguments=(Argument("IMAGE", 0, None, IMAGE),),
    options=(_FORMAT, _LATEST._replace(hidden=True), _SIZE._replace(hidden=True)))
