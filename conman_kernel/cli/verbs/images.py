"""``conman images``, also ``conman image ls``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Sequence

from ...record import Record
from .. import out
from ..context import Context
from ..declare import FLAG, IMAGE, LIST, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..several import split_filters
from ..table import table
from ..values import Values
from ..wording import ago, go_time, size, utc

if TYPE_CHECKING:
    from ...images.image import Image
    from ...kernel import Conman

_HEADINGS = {"ID": "IMAGE ID", "CreatedSince": "CREATED", "ReadOnly": "R/O", "IsReadOnly": "R/O"}
_NONE = "<none>"


class _Line(Record):
    """One line: an image under one of its names."""

    image: Image
    repository: str
    tag: str


def _run(context: Context, values: Values) -> int:
    conman = context.conman()
    lines = _lines(_filtered(conman, values))
    out.write(_text(conman, _sorted(lines, values.text("sort")), values))
    return 0


def _filtered(conman: Conman, values: Values) -> list[Image]:
    filters: dict[str, list[str]] = {}
    for key, value in split_filters(values.many("filter")):
        filters.setdefault(key, []).append(value)
    if values.arguments:
        filters["reference"] = [values.arguments[0]]
    return conman.images.list(filters)


def _lines(images: Sequence[Image]) -> list[_Line]:
    found: list[_Line] = []
    for image in images:
        for name in image.names:
            repository, _, tag = name.rpartition(":")
            found.append(_Line(image, repository, tag))
        if not image.names:
            repository = image.digests[0].partition("@")[0] if image.digests else _NONE
            found.append(_Line(image, repository, _NONE))
    return found


def _sorted(lines: list[_Line], order: str) -> list[_Line]:
    if order == "id":
        return sorted(lines, key=lambda line: line.image.id)
    if order == "repository":
        return sorted(lines, key=lambda line: (line.repository, line.tag))
    if order == "size":
        return sorted(lines, key=lambda line: line.image.size)
    if order == "tag":
        return sorted(lines, key=lambda line: line.tag)
    return sorted(lines, key=lambda line: -line.image.created)


def _text(conman: Conman, lines: Sequence[_Line], values: Values) -> str:
    whole, format = values.flag("no-trunc"), values.text("format")
    now = time.time()
    if wants_json(format):
        used = [container.image_id for container in conman.containers.list(all=True)]
        shared = _shared(conman)
        return json_text([_document(line.image, used.count(line.image.id), shared) for line in lines])
    if values.flag("quiet"):
        ids = dict.fromkeys(line.image.id for line in lines)
        return "".join((f"sha256:{id}" if whole else id[:12]) + "\n" for id in ids)
    if format:
        facts = _Facts(conman)
        return render(format, [_row(line, now, facts, whole=whole) for line in lines], _HEADINGS,
                      heading=not values.flag("noheading"))
    digests = values.flag("digests")
    shown = [("REPOSITORY", "TAG", *(("DIGEST",) if digests else ()), "IMAGE ID", "CREATED", "SIZE")]
    if values.flag("noheading"):
        shown.clear()
    for line in lines:
        image = line.image
        id = f"sha256:{image.id}" if whole else image.id[:12]
        shown.append((line.repository, line.tag, *((image.digest,) if digests else ()), id, ago(image.created, now),
                     size(image.size)))
    return table(shown)


def _shared(conman: Conman) -> dict[str, int]:
    """Bytes of each image's layers that other images stand on, too."""
    return {image.id: image.shared for image in conman.images.tree().images}


class _Facts:
    """What is looked up only where a template asks for it."""

    def __init__(self, conman: Conman) -> None:
        self._conman = conman
        self._used: list[str] | None = None
        self._known: dict[str, int] | None = None

    def containers(self, image: Image) -> int:
        if self._used is None:
            self._used = [container.image_id for container in self._conman.containers.list(all=True)]
        return self._used.count(image.id)

    def shared(self, image: Image) -> int:
        if self._known is None:
            self._known = _shared(self._conman)
        return self._known.get(image.id, 0)


def _document(image: Image, containers: int, shared: dict[str, int]) -> dict[str, object]:
    labels = dict(image.config.labels)
    return {
        "Id": image.id,
        "ParentId": "",
        "RepoTags": list(image.names) or None,
        "RepoDigests": list(image.digests),
        "Size": image.size,
        "SharedSize": shared.get(image.id, 0),
        "VirtualSize": image.size,
        "Labels": labels or None,
        "Containers": containers,
        **({} if image.names else {"Dangling": True}),
        **({"Names": list(image.names)} if image.names else {}),
        "Digest": image.digest,
        "History": list(image.names),
        "Created": int(image.created),
        "CreatedAt": utc(image.created),
    }


def _row(line: _Line, now: float, facts: _Facts, *, whole: bool) -> dict[str, object]:
    from ..templates.values import Method

    image = line.image
    labels, dangling = dict(image.config.labels), not image.names and not image.digests
    return {
        "ID": f"sha256:{image.id}" if whole else image.id[:12],
        "Id": image.id,
        "Repository": line.repository,
        "Tag": line.tag,
        "Digest": image.digest,
        "Created": ago(image.created, now),
        "CreatedSince": ago(image.created, now),
        "CreatedAt": go_time(image.created),
        "CreatedTime": go_time(image.created),
        "Size": size(image.size),
        "VirtualSize": image.size,
        "SharedSize": Method(lambda words: size(facts.shared(image))),
        "UniqueSize": Method(lambda words: size(image.size - facts.shared(image))),
        "Containers": Method(lambda words: facts.containers(image)),
        "Labels": labels,
        "Label": Method(lambda words: labels.get(words[0], ""), 1),
        "ParentId": "",
        "RepoTags": list(image.names),
        "RepoDigests": list(image.digests),
        "Dangling": dangling,
        "IsDangling": dangling,
        "ReadOnly": False,
        "IsReadOnly": False,
        "Names": list(image.names),
        "History": ", ".join(image.names),
        "Platform": image.platform,
        "StorageDriver": image.storage,
    }


VERB = Verb(
    "images", "List images", _run,
    arguments=(Argument("IMAGE", 0, 1, IMAGE),),
    options=(
        Option("--all", "Show all images (there are no intermediate ones to hide)", FLAG, short="-a"),
        Option("--digests", "Show digests", FLAG),
        Option("--filter", "Show the images that match, such as reference=, label=, until=, dangling=true", LIST,
               short="-f",
               metavar="KEY=VALUE"),
        Option("--format", "json, or a template such as '{{.Repository}}:{{.Tag}}' or 'table {{.ID}} {{.Size}}'",
               metavar="FORMAT"),
        Option("--no-trunc", "Show whole ids", FLAG, aliases=("--notruncate",)),
        Option("--noheading", "Print no heading", FLAG, short="-n"),
        Option("--quiet", "Print the ids only", FLAG, short="-q"),
        Option("--sort", "Order by created, id, repository, size or tag", default="created", metavar="KEY",
               choices=("created", "id", "repository", "size", "tag")),
    ))
