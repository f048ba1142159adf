"""Manifests and indexes (OCI image-spec v1.1, ``manifest.md``, ``image-index.md``; Docker manifest v2, schema 2)."""

from __future__ import annotations

from typing import Mapping, NoReturn

from ..errors import InvalidInput, NotFound
from ..record import Record
from .descriptor import Descriptor, parse_descriptor
from .documents import get_int, get_list, get_str, get_string_map, parse_object
from .media_types import CONFIGS, DOCKER_LIST, DOCKER_MANIFEST, INDEXES, MANIFESTS, OCI_INDEX, OCI_MANIFEST
from .platform import Platform, rank

MAX_LAYERS = 500
"""More than this the kernel's overlayfs does not stack (OVL_MAX_STACK), nor does podman; Docker stops at 127."""

MAX_MANIFESTS = 4096
"""Entries of an index."""


class Manifest(Record):
    """One image for one platform.

    :param config: the image configuration.
    :param layers: lowest first; each media type is as the manifest says, not yet judged.
    :param media_type: OCI's or Docker's manifest type; where the document does not say, OCI's.
    """

    config: Descriptor
    layers: tuple[Descriptor, ...]
    media_type: str
    annotations: Mapping[str, str]


class Index(Record):
    """One image for several platforms: descriptors of manifests (or further indexes), in the document's order."""

    manifests: tuple[Descriptor, ...]
    media_type: str
    annotations: Mapping[str, str]


def parse_manifest(data: bytes, media_type: str, what: str) -> Manifest | Index:
    """Parse the document that a reference resolved to.

    Its own ``mediaType``, the type its descriptor or server claimed, and its keys must agree on what it is: a document
    that could be read both as manifest and as index is refused (CVE-2021-41190).

    :param data: verified bytes.
    :param media_type: from the descriptor; an unknown or empty one claims nothing.
    :param what: names it in error messages, such as ``the manifest of docker.io/library/alpine:latest``.
    :raises InvalidInput: anything above, too many layers, Docker schema 1, an artifact that is no image.
    """
    obj = parse_object(data, what)
    version = get_int(obj, "schemaVersion", what)
    if version == 1 or "fsLayers" in obj:
        raise InvalidInput(f"{what} is of Docker's schema 1, which was withdrawn and is not supported",
                           hint="push the image again with a current tool")
    if version != 2:
        raise InvalidInput(f"{what}: 'schemaVersion' is not 2")
    is_index = "manifests" in obj
    if is_index and ("layers" in obj or "config" in obj):
        raise InvalidInput(f"{what} is ambiguous: it has the keys of a manifest and of an index (CVE-2021-41190)")
    if not is_index and ("layers" not in obj or "config" not in obj):
        raise InvalidInput(f"{what} is neither a manifest nor an index of an image")
    declared = get_str(obj, "mediaType", what)
    for claim in (declared, media_type):
        _check_claim(claim, is_index, what)
    annotations = get_string_map(obj, "annotations", what)
    if is_index:
        return _index(obj, declared or (media_type if media_type in INDEXES else OCI_INDEX), annotations, what)
    return _manifest(obj, declared or (media_type if media_type in MANIFESTS else OCI_MANIFEST), annotations, what)


def select(index: Index, platform: Platform, what: str) -> Descriptor:
    """Choose from an index what runs on a platform: the best :func:`~.platform.rank`, of equals the first.

    An entry without a platform is taken where no other fits, as podman does.

    :raises NotFound: nothing fits; the message names the platforms that there are.
    """
    best: Descriptor | None = None
    best_rank = 0
    for entry in index.manifests:
        if entry.media_type not in MANIFESTS and entry.media_type not in INDEXES:
            continue
        ranked = 1000 if entry.platform is None else rank(platform, entry.platform)
        if ranked is not None and (best is None or ranked < best_rank):
            best, best_rank = entry, ranked
    if best is not None:
        return best
    platforms = {entry.platform for entry in index.manifests if entry.platform is not None}
    offered = sorted(str(platform) for platform in platforms if platform.os != "unknown")
    raise NotFound(f"{what} has no image for {platform}",
                   hint="it has " + ", ".join(offered[:20]) if offered else "it lists no image at all")


def _check_claim(claim: str, is_index: bool, what: str) -> None:
    known = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
    if claim in known and (claim in INDEXES) != is_index:
        found = "an index" if is_index else "a manifest"
        raise InvalidInput(f"{what} is called {claim}, but holds {found}")


def _index(obj: Mapping[str, object], media_type: str, annotations: Mapping[str, str], what: str) -> Index:
    if media_type not in INDEXES:
        _wrong_type(media_type, what)
    entries = get_list(obj, "manifests", what)
    if len(entries) > MAX_MANIFESTS:
        raise InvalidInput(f"{what} lists {len(entries)} manifests, more than the {MAX_MANIFESTS} that are accepted")
    found = tuple(parse_descriptor(entry, f"{what}: entry {n}") for n, entry in enumerate(entries, 1))
    return Index(found, media_type, annotations)


def _manifest(obj: Mapping[str, object], media_type: str, annotations: Mapping[str, str], what: str) -> Manifest:
    if media_type not in MANIFESTS:
        _wrong_type(media_type, what)
    config = parse_descriptor(obj["config"], f"{what}: config")
    if config.media_type not in CONFIGS:
        raise InvalidInput(f"{what} describes an artifact of type {config.media_type[:200]!r}, not a container image")
    entries = get_list(obj, "layers", what)
    if len(entries) > MAX_LAYERS:
        raise InvalidInput(f"{what} has {len(entries)} layers, more than the {MAX_LAYERS} that can be stacked")
    layers = tuple(parse_descriptor(entry, f"{what}: layer {n}") for n, entry in enumerate(entries, 1))
    return Manifest(config, layers, media_type, annotations)


def _wrong_type(media_type: str, what: str) -> NoReturn:
    raise InvalidInput(f"{what} is of the unknown type {media_type[:200]!r}")
