"""The transport: folders of tarballs, read only. Images are made when they are asked for, and a few are remembered."""

from __future__ import annotations

import os.path
import threading
from collections import OrderedDict
from typing import Iterator

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.slots.transport import BlobStream, Contained, OpenRequest, Resolved, ResolveRequest
from conman_kernel.support.archives.folders import Folder
from conman_kernel.support.archives.inflating import inflated
from conman_kernel.support.archives.streams import BytesStream, FileStream

from .making import Defaults, Made, make, origin_of
from .places import Spot, choose, parse, tarballs

MAX_REMEMBERED = 64


class RootsTransport:
    """See conman_kernel.slots.transport, `ListingTransport`."""

    def __init__(self, *, command: tuple[str, ...], env: tuple[str, ...]) -> None:
        if not all("=" in one.lstrip("=") for one in env):
            raise InvalidInput("plugin.roots-transport.env: each entry is NAME=value")
        self._defaults = Defaults(command, env)
        self._made: OrderedDict[tuple[str, str], Made] = OrderedDict()
        self._lock = threading.Lock()

    def resolve(self, request: ResolveRequest) -> Resolved:
        """See the slot. The whole tarball is read for it."""
        made = self._image(parse(request.location), request)[0]
        return Resolved(made.top, made.documents[made.top.digest])

    def open(self, request: OpenRequest) -> BlobStream:
        """See the slot."""
        made, folder, file_name, shown = self._image(parse(request.location), request)
        wanted = request.descriptor.digest
        if wanted in made.documents:
            return BytesStream(made.documents[wanted], request.offset)
        if wanted != made.layer.digest:
            raise NotFound(f"{shown} does not hold {wanted}", hint="it has changed since it was looked up: try again")
        piece = folder.open(file_name)
        if made.packed:
            return Unpacked(FileStream(piece, 0, shown, request.cancel), made.packed, shown)
        return FileStream(piece, request.offset, shown, request.cancel)

    def images(self, request: ResolveRequest) -> tuple[Contained, ...]:
        """See the slot. Reads no tarball."""
        spot = parse(request.location)
        if spot.name:
            choose(spot)
            return (Contained(request.location, ()),)
        return tuple(Contained(f"{spot.folder}:{name}", (f"localhost/{name}:latest",)) for name in tarballs(spot))

    def close(self) -> None:
        """See the slot: nothing is held."""

    def _image(self, spot: Spot, request: ResolveRequest | OpenRequest) -> tuple[Made, Folder, str, str]:
        name, file_name = choose(spot)
        folder = Folder(spot.folder)
        shown = os.path.join(spot.folder, file_name)
        key = (spot.folder, file_name)
        with self._lock:
            made = self._made.get(key)
        if made is None or made.origin != origin_of(folder, name, file_name):
            made = make(folder, name, file_name, shown, self._defaults, request.cancel)
            with self._lock:
                self._made[key] = made
                self._made.move_to_end(key)
                while len(self._made) > MAX_REMEMBERED:
                    self._made.popitem(last=False)
        return made, folder, file_name, shown


class Unpacked:
    """A packed tarball's bytes, unpacked on their way; they begin at 0, as there is no seeking in them."""

    offset = 0

    def __init__(self, file: FileStream, packed: str, shown: str) -> None:
        self._file = file
        self._chunks = inflated(packed, iter(file), shown)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks
        finally:
            self.close()

    def close(self) -> None:
        """See the slot."""
        self._file.close()
