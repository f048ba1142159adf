"""The media types of images (OCI image-spec v1.1, ``media-types.md``; Docker image manifest v2, schema 2)."""

from __future__ import annotations

from typing import Literal

from ..errors import InvalidInput

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = OCI_LAYER + "+gzip"
OCI_LAYER_ZSTD = OCI_LAYER + "+zstd"
OCI_FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"

DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = DOCKER_LAYER + ".gzip"
DOCKER_LAYER_ZSTD = DOCKER_LAYER + ".zstd"
DOCKER_FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar"

DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

INDEXES = (OCI_INDEX, DOCKER_LIST)
MANIFESTS = (OCI_MANIFEST, DOCKER_MANIFEST)
CONFIGS = (OCI_CONFIG, DOCKER_CONFIG)

ACCEPTED = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)
"""What a client may ask a registry for when it resolves a reference."""

Compression = Literal["none", "gzip", "zstd"]
"""How a layer's archive is compressed."""

_LAYERS: dict[str, Compression] = {
    OCI_LAYER: "none", OCI_LAYER_GZIP: "gzip", OCI_LAYER_ZSTD: "zstd",
    OCI_FOREIGN: "none", OCI_FOREIGN + "+gzip": "gzip", OCI_FOREIGN + "+zstd": "zstd",
    DOCKER_LAYER: "none", DOCKER_LAYER_GZIP: "gzip", DOCKER_LAYER_ZSTD: "zstd",
    DOCKER_FOREIGN: "none", DOCKER_FOREIGN + ".gzip": "gzip", DOCKER_FOREIGN + ".zstd": "zstd",
}


def layer_compression(media_type: str) -> Compression:
    """How a layer's tar is packed.

    :raises InvalidInput: this is no layer of an image.
    """
    found = _LAYERS.get(media_type)
    if found is not None:
        return found
    raise InvalidInput(f"{media_type[:200]!r} is not the type of an image layer",
                       hint="the reference may name an artifact that is no container image")


def layer_type(compression: Compression, *, docker: bool) -> str:
    """The media type of a layer in one of the two families."""
    if docker:
        return DOCKER_LAYER if compression == "none" else f"{DOCKER_LAYER}.{compression}"
    return OCI_LAYER if compression == "none" else f"{OCI_LAYER}+{compression}"


def is_manifest_or_index(media_type: str) -> bool:
    """True for what registries serve as manifests rather than as blobs."""
    return media_type in ACCEPTED or media_type in (DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED)
