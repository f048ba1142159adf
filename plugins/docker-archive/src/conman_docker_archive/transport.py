"""The transport itself: an archive's names to descriptors, descriptors to bytes, and back."""

from __future__ import annotations

import os
import stat
import weakref
from _thread import allocate_lock
from typing import TYPE_CHECKING

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.slots.transport import (
    BlobStream,
    Contained,
    ImageWriter,
    OpenRequest,
    Resolved,
    ResolveRequest,
    WriteRequest,
)
from conman_kernel.support.archives.opened import Archive, Archives
from conman_kernel.support.archives.spool import Spool
from conman_kernel.support.archives.streams import BytesStream, FileStream

from . import contents
from .image import Contents, Image

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel


class DockerArchiveTransport:
    """Images in Docker archives. Implements :class:`conman_kernel.slots.transport.WritableTransport` and
    :class:`conman_kernel.slots.transport.ListingTransport`.

    :param spool: where archives go that cannot be read in place.
    """

    def __init__(self, spool: Spool | None = None) -> None:
        self._archives = Archives(spool or Spool())
        self._lock = allocate_lock()
        self._contents: weakref.WeakKeyDictionary[Archive, Contents] = weakref.WeakKeyDictionary()

    def resolve(self, request: ResolveRequest) -> Resolved:
        """Find an image by its name; see the slot."""
        _, image = self._image(request.location, request.cancel)
        return Resolved(image.descriptor, image.manifest)

    def images(self, request: ResolveRequest) -> tuple[Contained, ...]:
        """What an archive holds; see the slot."""
        path, name = _split(request.location)
        _, found = self._found(path, request.cancel)
        if name:
            number = contents.choose(found.entries, name, path)
            names = found.entries[number].names if name.startswith("@") else (contents.whole(name),)
            return (Contained(f"{path}:@{number}", names),)
        return tuple(Contained(f"{path}:@{number}", entry.names) for number, entry in enumerate(found.entries))

    def open(self, request: OpenRequest) -> BlobStream:
        """Open a blob or the manifest by its digest; see the slot."""
        archive, image = self._image(request.location, request.cancel)
        digest = request.descriptor.digest
        if digest == image.descriptor.digest:
            return BytesStream(image.manifest, request.offset)
        place = image.places.get(digest)
        if place is None:
            raise NotFound(f"{archive.path} has no {digest} in the image {request.location!r}")
        return FileStream(archive.at(place), request.offset, f"{archive.path}: blob {digest}", request.cancel)

    def write(self, request: WriteRequest) -> ImageWriter:
        """Open an archive to write to; see the slot. A file that is there is replaced."""
        from .writing import ArchiveWriter

        request.cancel.check()
        path, name = _split(request.location)
        if name.startswith("@"):
            raise InvalidInput(f"{request.location!r} names no image to write: {name} is a place among those that are there")
        return ArchiveWriter(path, contents.whole(name) if name else "")

    def close(self) -> None:
        """Forget what was read of archives. May be called twice."""
        self._archives.close()

    def _image(self, location: str, cancel: Cancel) -> tuple[Archive, Image]:
        path, name = _split(location)
        archive, found = self._found(path, cancel)
        number = contents.choose(found.entries, name, path)
        while not self._lock.acquire(timeout=0.05):
            cancel.check()
        try:
            return archive, found.image(number, archive, cancel)
        finally:
            self._lock.release()

    def _found(self, path: str, cancel: Cancel) -> tuple[Archive, Contents]:
        cancel.check()
        if _folder(path):
            raise InvalidInput(f"{path} is a folder, not a Docker archive", hint=f"oci:{path} or dir:{path} may read it")
        archive = self._archives.get(path, cancel)
        found = self._contents.get(archive)
        if found is None:
            if "manifest.json" not in archive.table:
                raise InvalidInput(f"{path} is no Docker archive: it has no manifest.json", hint=_other(archive))
            found = self._contents[archive] = Contents(archive, cancel)
        return archive, found


def _other(archive: Archive) -> str:
    if "index.json" in archive.table:
        return f"oci-archive:{archive.path} may read it"
    if "repositories" in archive.table:
        return "Docker before 1.10 wrote it; load and save it with a Docker between that and 25"
    return ""


def _folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False  # whoever opens it says what is wrong


def _split(location: str) -> tuple[str, str]:
    path, _, name = location.partition(":")
    if not path:
        raise InvalidInput(f"{location!r} names no archive", hint="write /path/to/file.tar or /path/to/file.tar:name:tag")
    return path, name
