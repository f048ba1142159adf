"""The file ``index.json`` of a layout, made and changed. Pure: entries and bytes in, bytes out."""

from __future__ import annotations

import json
from typing import Mapping, Sequence

from conman_kernel.errors import InvalidInput
from conman_kernel.oci.descriptor import Descriptor, descriptor_json
from conman_kernel.oci.documents import as_object, get_list, get_string_map, parse_object
from conman_kernel.oci.media_types import OCI_INDEX
from conman_kernel.oci.reference import Reference, parse

from .layout import FULL_NAME, REF_NAME

VERSION = b'{"imageLayoutVersion":"1.0.0"}'


def rows(descriptor: Descriptor, names: Sequence[str]) -> list[dict[str, object]]:
    """The entries for one image: one for each of its names, or one without a name."""
    found = []
    for name in names or ("",):
        row = descriptor_json(descriptor)
        if name:
            row["annotations"] = {REF_NAME: name, FULL_NAME: name} if _whole(name) else {REF_NAME: name}
        found.append(row)
    return found


def merged(existing: bytes | None, added: Sequence[Mapping[str, object]], what: str) -> bytes:
    """An ``index.json`` with further entries. An entry of the same name gives way; everything else stays as it is.

    :param existing: the file as it is; None where there is none.
    :raises InvalidInput: it is malformed.
    """
    document: dict[str, object] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    kept: list[Mapping[str, object]] = []
    if existing is not None:
        document = dict(parse_object(existing, what))
        kept = [as_object(item, what) for item in get_list(document, "manifests", what)]
    for row in added:
        kept = [old for old in kept if not _gives_way(old, row, what)]
        kept.append(row)
    return json.dumps({**document, "manifests": kept}, separators=(",", ":")).encode()


def check_name(name: str, location: str) -> str:
    """A name to be written. :raises InvalidInput: it is a place in a layout, not a name."""
    if name.startswith("@"):
        raise InvalidInput(f"{location!r} names no image to write: {name} is a place among those that are there")
    return name


def _gives_way(old: Mapping[str, object], new: Mapping[str, object], what: str) -> bool:
    old_name, new_name = (get_string_map(row, "annotations", what).get(REF_NAME, "") for row in (old, new))
    if new_name:
        return old_name == new_name or (not old_name and old.get("digest") == new.get("digest"))
    return not old_name and old.get("digest") == new.get("digest")


def _whole(name: str) -> bool:
    """Whether it is a whole name, with its registry: only those are containerd's."""
    try:
        found: Reference = parse(name)
    except InvalidInput:
        return False
    return bool(found.domain and found.tag)
