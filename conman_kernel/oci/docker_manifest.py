"""The manifest of an image whose layers are stored as plain tars, for places that keep none themselves (Docker archives).

Whoever writes such a place and whoever reads it make the same document, so that the digest told when an image is saved is the
one it is found by.
"""

from __future__ import annotations

import json
from typing import Sequence

from .descriptor import Descriptor
from .media_types import DOCKER_CONFIG, DOCKER_MANIFEST


def docker_manifest(config: Descriptor, layers: Sequence[Descriptor]) -> bytes:
    """A manifest of Docker's schema 2, byte for byte the same for the same parts.

    :param config: its digest and size count.
    :param layers: lowest first, with Docker's media types.
    """
    document = {
        "schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": _row(DOCKER_CONFIG, config),
        "layers": [_row(layer.media_type, layer) for layer in layers],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _row(media_type: str, descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": media_type, "size": descriptor.size, "digest": descriptor.digest}
