"""Writing an archive that docker load, podman load and skopeo read: plain layers, configurations, ``manifest.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, Sequence

from conman_kernel.errors import InvalidInput
from conman_kernel.oci import digest as digests
from conman_kernel.oci.manifest import Manifest, parse_manifest
from conman_kernel.oci.media_types import CONFIGS
from conman_kernel.slots.transport import PutBlobRequest, PutManifestRequest
from conman_kernel.support.archives.sinks import open_sink
from conman_kernel.support.archives.streams import counted
from conman_kernel.support.archives.tarwriter import TarWriter

from .contents import whole

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel


class ArchiveWriter:
    """An archive as destination, which appears whole, in place of one that is there. See
    :class:`conman_kernel.slots.transport.ImageWriter`. Layers that several images share are in it once.

    :param name: a whole name for the one image; empty: what each is called.
    """

    plain_layers = True
    indexes = False

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._tar = TarWriter(open_sink(path), path)
        self._images: list[dict[str, object]] = []

    def put_blob(self, request: PutBlobRequest) -> Literal["exists", "mounted", "written"]:
        """See the slot."""
        descriptor = request.descriptor
        name = (_config if descriptor.media_type in CONFIGS else _layer)(descriptor.digest)
        shown = f"{self._path}: blob {descriptor.digest}"
        chunks = counted(request.open(0), descriptor.size, shown, request.progress)
        return "written" if self._tar.add(name, descriptor.size, chunks, request.cancel) else "exists"

    def put_manifest(self, request: PutManifestRequest) -> None:
        """See the slot."""
        parsed = parse_manifest(request.content, request.descriptor.media_type, f"a manifest for {self._path}")
        if not isinstance(parsed, Manifest):
            raise InvalidInput(f"{self._path}: a Docker archive cannot hold an index of several platforms")
        self._images.append({"Config": _config(parsed.config.digest), "RepoTags": _names(request.names, self._name),
                             "Layers": [_layer(layer.digest) for layer in parsed.layers]})

    def commit(self, cancel: Cancel) -> None:
        """See the slot."""
        document = json.dumps(self._images, separators=(",", ":")).encode()
        self._tar.add_document("manifest.json", document, cancel)
        self._tar.finish(cancel)

    def close(self) -> None:
        """See the slot."""
        self._tar.close()


def _names(given: Sequence[str], name: str) -> list[str]:
    return list(dict.fromkeys(whole(each) for each in given)) or ([name] if name else [])


def _config(digest: str) -> str:
    return digests.split(digest)[1] + ".json"


def _layer(digest: str) -> str:
    return digests.split(digest)[1] + ".tar"
