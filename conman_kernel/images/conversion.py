"""A manifest or index in another form: OCI's or Docker's media types, or with layers that are not compressed.

Everything that is not about types stays as it is; the result is another document with another digest. The configuration's
bytes, and so the image's id, never change.
"""

from __future__ import annotations

import json
from typing import Literal, Mapping, Sequence

from ..errors import InvalidInput
from ..oci import media_types as types
from ..oci.descriptor import Descriptor
from ..oci.documents import parse_object

ManifestFormat = Literal["oci", "docker"]
"""The family of media types that a manifest is written with: OCI image-spec v1.1, or Docker's schema 2."""


def is_docker(media_type: str) -> bool:
    """True for the media types of Docker's family."""
    return media_type.startswith("application/vnd.docker.")


def converted_manifest(data: bytes, format: ManifestFormat, what: str) -> tuple[bytes, str]:
    """A manifest in the other family of media types; the same bytes where it is of that family.

    :param data: a manifest that was parsed already.
    :returns: the document and its media type.
    :raises InvalidInput: a layer's type has no counterpart.
    """
    docker = format == "docker"
    wanted = types.DOCKER_MANIFEST if docker else types.OCI_MANIFEST
    manifest = dict(parse_object(data, what))
    config, layers = _object(manifest["config"]), [_object(layer) for layer in _items(manifest["layers"])]
    named = [_text(manifest.get("mediaType")), *(_text(one.get("mediaType")) for one in (config, *layers))]
    if all(is_docker(name) == docker for name in named if name) and named[0] in ("", wanted):
        return data, wanted
    config["mediaType"] = types.DOCKER_CONFIG if docker else types.OCI_CONFIG
    for layer in layers:
        layer["mediaType"] = types.layer_type(types.layer_compression(_text(layer.get("mediaType"))), docker=docker)
        if docker:
            layer.pop("annotations", None)
    manifest.update(schemaVersion=2, mediaType=wanted, config=config, layers=layers)
    if docker:
        manifest.pop("annotations", None)
    return _document(manifest), wanted


def converted_index(data: bytes, entries: Sequence[Descriptor], format: ManifestFormat | None, what: str) -> tuple[bytes, str]:
    """An index whose entries became others.

    :param entries: the descriptors that take the place of the index's own, in order.
    :param format: None keeps its family.
    :returns: the document and its media type.
    """
    index = dict(parse_object(data, what))
    listed = [_object(entry) for entry in _items(index["manifests"])]
    if len(listed) != len(entries):
        raise InvalidInput(f"{what} has {len(listed)} entries, of which {len(entries)} were copied")
    for entry, new in zip(listed, entries, strict=True):
        entry.update(mediaType=new.media_type, digest=new.digest, size=new.size)
    docker = is_docker(_text(index.get("mediaType"))) if format is None else format == "docker"
    kind = types.DOCKER_LIST if docker else types.OCI_INDEX
    index.update(mediaType=kind, manifests=listed)
    return _document(index), kind


def _document(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _object(value: object) -> dict[str, object]:
    assert isinstance(value, dict), "a document that was parsed before"
    return dict(value)


def _items(value: object) -> list[object]:
    assert isinstance(value, (list, tuple)), "a document that was parsed before"
    return list(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
