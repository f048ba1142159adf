"""A tarball made into an image: one layer, a configuration, a manifest; the same files give the same digests."""

from __future__ import annotations

import hashlib
import os
from typing import Iterator, Mapping, NamedTuple

from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.documents import get_map, get_str, parse_object
from conman_kernel.oci.image_config import parse_config
from conman_kernel.oci.media_types import Compression, layer_type
from conman_kernel.oci.platform import host_platform
from conman_kernel.oci.recipe import Recipe, configuration, manifest
from conman_kernel.support.archives.folders import Folder
from conman_kernel.support.archives.inflating import HEAD, inflated, packing
from conman_kernel.support.archives.opened import identity
from conman_kernel.support.archives.streams import FileStream, small

# An image's date is part of its digest, and a tarball's own is when somebody copied it.
EPOCH = "1970-01-01T00:00:00Z"

Identity = tuple[int, int, int, int]


class Defaults(NamedTuple):
    """What an image says where nothing beside its tarball does."""

    command: tuple[str, ...]
    env: tuple[str, ...]


class Made(NamedTuple):
    """An image that was made of a tarball.

    Args:
        top: of the manifest. ``documents``: digest -> manifest and configuration.
        layer: of the only layer; ``packed``: how the tarball is packed, and has to be unpacked for that layer; else empty.
        origin: the identities of the tarball and of the file beside it; None where there is none.
    """

    top: Descriptor
    documents: Mapping[str, bytes]
    layer: Descriptor
    packed: str
    origin: tuple[Identity, Identity | None]


def make(folder: Folder, name: str, file_name: str, shown: str, defaults: Defaults, cancel: Cancel) -> Made:
    """Read a tarball through, once, for its digests.

    Raises:
        NotFound: it is gone. InvalidInput: it is damaged, or what lies beside it is no configuration.
    """
    piece = folder.open(file_name)
    stream = FileStream(piece, 0, shown, cancel)  # closes the piece
    try:
        origin = identity(os.fstat(piece.fd))
        packed = packing(os.pread(piece.fd, HEAD, piece.start))
        # Images know no bzip2 and no xz: a layer is what these unpack to.
        kept = packed in ("", "gzip", "zstd")
        file_hash, tar_hash = hashlib.sha256(), hashlib.sha256()
        size = tar_size = 0

        def file_bytes() -> Iterator[bytes]:
            nonlocal size
            for chunk in stream:
                file_hash.update(chunk)
                size += len(chunk)
                yield chunk

        for chunk in inflated(packed, file_bytes(), shown) if packed else file_bytes():
            tar_hash.update(chunk)
            tar_size += len(chunk)
    finally:
        stream.close()
    diff_id = f"sha256:{tar_hash.hexdigest()}"
    compression: Compression = "none" if not kept or not packed else "gzip" if packed == "gzip" else "zstd"
    layer = Descriptor(layer_type(compression, docker=False), f"sha256:{file_hash.hexdigest()}" if kept else diff_id,
                       size if kept else tar_size)
    beside, beside_origin = _beside(folder, f"{name}.json", cancel)
    config = configuration(_recipe(beside, defaults, f"{shown}: {name}.json"), [diff_id], None, squashed=False)
    parse_config(config, f"the configuration of {shown}")
    document, top = manifest("oci", config, [layer])
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    return Made(top, {top.digest: document, digest: config}, layer, "" if kept else packed, (origin, beside_origin))


def origin_of(folder: Folder, name: str, file_name: str) -> tuple[Identity, Identity | None]:
    """What `Made.origin` would be now."""
    found: list[Identity | None] = []
    for each in (file_name, f"{name}.json"):
        try:
            piece = folder.open(each)
        except NotFound:
            if each == file_name:
                raise
            found.append(None)
            continue
        found.append(identity(os.fstat(piece.fd)))
        os.close(piece.fd)
    tarball, beside = found
    assert tarball is not None
    return tarball, beside


def _beside(folder: Folder, file_name: str, cancel: Cancel) -> tuple[Mapping[str, object], Identity | None]:
    try:
        piece = folder.open(file_name)
    except NotFound:
        return {}, None
    origin = identity(os.fstat(piece.fd))
    return parse_object(small(piece, file_name, cancel), file_name), origin


def _recipe(beside: Mapping[str, object], defaults: Defaults, what: str) -> Recipe:
    host = host_platform()
    run: dict[str, object] = {key: list(value) for key, value in (("Cmd", defaults.command), ("Env", defaults.env)) if value}
    run.update(get_map(beside, "config", what))
    platform = (get_str(beside, "architecture", what, host.architecture), get_str(beside, "os", what, host.os),
                get_str(beside, "variant", what, host.variant if "architecture" not in beside else ""))
    return Recipe(created=get_str(beside, "created", what, EPOCH), author=get_str(beside, "author", what),
                  created_by="roots-transport", run=run, platform=platform)
