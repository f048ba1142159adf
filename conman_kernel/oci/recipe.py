"""What a new image is to say, and its two documents made of that. Pure.

Source: OCI image-spec v1.1, ``config.md`` and ``manifest.md``; Docker image manifest v2, schema 2.
"""

from __future__ import annotations

import json
from typing import Literal, Mapping, Sequence

from ..record import Record
from . import digest as digests
from . import media_types as types
from .descriptor import Descriptor
from .documents import parse_object
from .instructions import with_changes

Format = Literal["oci", "docker"]
"""The family of media types that an image's manifest has."""

_OF_ANOTHER = ("container", "container_config", "docker_version", "id", "parent", "parent_id", "comment", "throwaway")
"""What Docker wrote about the making of one image, and which is not so of one made of it."""


class Recipe(Record):
    """What a new image says.

    :param created: RFC 3339.
    :param author: empty: what the image below says.
    :param message: the comment of its step in the history.
    :param created_by: the command of that step.
    :param run: keys of the ``config`` object that differ from the image's below; ``changes`` come after them.
    :param changes: see :mod:`.instructions`.
    :param platform: architecture, os and variant, where no image is below.
    """

    created: str
    author: str = ""
    message: str = ""
    created_by: str = ""
    run: Mapping[str, object] = {}
    changes: tuple[str, ...] = ()
    format: Format = "oci"
    platform: tuple[str, str, str] = ("", "", "")


def configuration(recipe: Recipe, diff_ids: Sequence[str], below: bytes | None, *, squashed: bool) -> bytes:
    """The image configuration.

    :param diff_ids: of all layers, lowest first.
    :param below: the configuration of the image that is built on.
    :param squashed: the one layer holds everything: the steps below are no longer told.
    :raises InvalidInput: a change that is none.
    """
    document = dict(parse_object(below, "the configuration of the image below")) if below is not None else {}
    for key in _OF_ANOTHER:
        document.pop(key, None)
    if below is None:
        architecture, system, variant = recipe.platform
        document.update(architecture=architecture, os=system)
        if variant:
            document["variant"] = variant
    document["created"] = recipe.created
    if recipe.author:
        document["author"] = recipe.author
    run = document.get("config")
    document["config"] = with_changes({**(run if isinstance(run, dict) else {}), **recipe.run}, recipe.changes)
    document["rootfs"] = {"type": "layers", "diff_ids": list(diff_ids)}
    told = document.get("history")
    step = {"created": recipe.created, "created_by": recipe.created_by, "author": recipe.author, "comment": recipe.message}
    document["history"] = [*(told if isinstance(told, list) and not squashed else ()),
                           {key: value for key, value in step.items() if value}]
    if recipe.format == "docker" and recipe.message:
        document["comment"] = recipe.message
    return _json(document)


def manifest(format: Format, config: bytes, layers: Sequence[Descriptor]) -> tuple[bytes, Descriptor]:
    """The manifest and its descriptor. The layers' media types become those of the format."""
    docker = format == "docker"
    kind = types.DOCKER_MANIFEST if docker else types.OCI_MANIFEST
    data = _json({
        "schemaVersion": 2, "mediaType": kind,
        "config": {"mediaType": types.DOCKER_CONFIG if docker else types.OCI_CONFIG, "digest": digests.digest_of(config),
                   "size": len(config)},
        "layers": [{"mediaType": types.layer_type(types.layer_compression(layer.media_type), docker=docker),
                    "digest": layer.digest, "size": layer.size} for layer in layers]})
    return data, Descriptor(kind, digests.digest_of(data), len(data))


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
