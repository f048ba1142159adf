"""One image of a Docker archive: a manifest for it, and where in the archive its parts are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Mapping

from conman_kernel.errors import InvalidInput
from conman_kernel.oci import digest as digests
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.docker_manifest import docker_manifest
from conman_kernel.oci.image_config import parse_config
from conman_kernel.oci.media_types import DOCKER_CONFIG, DOCKER_MANIFEST, layer_type
from conman_kernel.record import Record
from conman_kernel.support.archives.inflating import HEAD, packing
from conman_kernel.support.archives.opened import Archive
from conman_kernel.support.archives.streams import CHUNK, small
from conman_kernel.support.archives.table import Place

from .contents import Entry, entries
from .originals import Original, originals

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel


class Image(Record):
    """What is handed out of one image.

    :param descriptor: of ``manifest``.
    :param places: the digest of each part, and where it is.
    """

    descriptor: Descriptor
    manifest: bytes
    places: Mapping[str, Place]


class Contents:
    """What one archive holds. Used by one thread at a time."""

    def __init__(self, archive: Archive, cancel: Cancel) -> None:
        self.entries = entries(_member(archive, "manifest.json", cancel), f"{archive.path}/manifest.json")
        self._images: dict[int, Image] = {}
        self._originals: Mapping[str, Original] | None = None
        self._packed: dict[int, str] = {}

    def image(self, number: int, archive: Archive, cancel: Cancel) -> Image:
        """One of :attr:`entries`.

        :raises NotFound: the archive lacks a part of it.
        :raises InvalidInput: its parts do not fit together, or a layer is packed as none may be.
        """
        found = self._images.get(number)
        if found is None:
            found = self._images[number] = self._made(self.entries[number], number, archive, cancel)
        return found

    def _made(self, entry: Entry, number: int, archive: Archive, cancel: Cancel) -> Image:
        what = f"{archive.path}: image {number}"
        place = archive.table.find(entry.config)[1]
        data = _member(archive, entry.config, cancel)
        config = Descriptor(DOCKER_CONFIG, digests.digest_of(data), len(data))
        if self._originals is None:
            self._originals = originals(lambda name: _member(archive, name, cancel), archive.table.holds)
        original = self._originals.get(config.digest)
        if original is not None:
            return Image(original.descriptor, original.content,
                         {digest: archive.table.find(name)[1] for digest, name in original.members.items()})
        diff_ids = parse_config(data, f"the configuration of {what}").diff_ids
        if len(diff_ids) != len(entry.layers):
            raise InvalidInput(f"the configuration of {what} lists {len(diff_ids)} layers, manifest.json {len(entry.layers)}",
                               hint="the archive is broken or forged; save the image again")
        places = {config.digest: place}
        layers = []
        for diff_id, name in zip(diff_ids, entry.layers, strict=True):
            place = archive.table.find(name)[1]
            layers.append(self._layer(archive, name, place, diff_id, cancel))
            places[layers[-1].digest] = place
        manifest = docker_manifest(config, layers)
        return Image(Descriptor(DOCKER_MANIFEST, digests.digest_of(manifest), len(manifest)), manifest, places)

    def _layer(self, archive: Archive, name: str, place: Place, diff_id: str, cancel: Cancel) -> Descriptor:
        """A layer's descriptor: a plain tar has the digest that the configuration gives; another is read once for its own."""
        piece = archive.at(place)
        try:
            packed = packing(os.pread(piece.fd, min(HEAD, piece.size), piece.start).ljust(HEAD, b"\0"))
            if not packed:
                return Descriptor(layer_type("none", docker=True), diff_id, place.size)
            if packed not in ("gzip", "zstd"):
                raise InvalidInput(f"{archive.path}: the layer {name[:300]} is packed with {packed}, as no layer may be")
            if place.start not in self._packed:
                self._packed[place.start] = _digest(piece.fd, place, cancel)
        finally:
            os.close(piece.fd)
        kind = layer_type("gzip" if packed == "gzip" else "zstd", docker=True)
        return Descriptor(kind, self._packed[place.start], place.size)


def _member(archive: Archive, name: str, cancel: Cancel) -> bytes:
    return small(archive.open(name), f"{archive.path}/{name[:300]}", cancel)


def _digest(fd: int, place: Place, cancel: Cancel) -> str:
    hasher = digests.new_hash("sha256")
    at, end = place.start, place.start + place.size
    while at < end:
        cancel.check()
        chunk = os.pread(fd, min(CHUNK, end - at), at)
        if not chunk:
            break
        hasher.update(chunk)
        at += len(chunk)
    return f"sha256:{hasher.hexdigest()}"
