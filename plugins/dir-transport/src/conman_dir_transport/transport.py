"""The transport itself: a folder to a descriptor, descriptors to bytes, and back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci import digest as digests
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.media_types import is_manifest_or_index
from conman_kernel.slots.transport import Contained, ImageWriter, OpenRequest, Resolved, ResolveRequest, WriteRequest
from conman_kernel.support.archives.folders import Folder
from conman_kernel.support.archives.streams import BytesStream, FileStream, small

from . import form

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel


class DirTransport:
    """Images in folders of their own. Implements :class:`conman_kernel.slots.transport.WritableTransport` and
    :class:`conman_kernel.slots.transport.ListingTransport`. It remembers nothing."""

    def resolve(self, request: ResolveRequest) -> Resolved:
        """The image of a folder; see the slot."""
        path = _path(request.location)
        data = _manifest(path, request.cancel)
        return Resolved(Descriptor(form.media_type(data, f"{path}/{form.MANIFEST}"), digests.digest_of(data), len(data)), data)

    def images(self, request: ResolveRequest) -> tuple[Contained, ...]:
        """The one image of a folder, which has no name; see the slot."""
        self.resolve(request)
        return (Contained(_path(request.location), ()),)

    def open(self, request: OpenRequest) -> BytesStream | FileStream:
        """Open a blob or manifest by its digest; see the slot."""
        request.cancel.check()
        path, digest = _path(request.location), request.descriptor.digest
        shown = f"{path}: blob {digest}"
        folder = Folder(path)
        if not is_manifest_or_index(request.descriptor.media_type):
            return FileStream(folder.open(form.blob(digest)), request.offset, shown, request.cancel)
        try:
            return FileStream(folder.open(form.listed(digest)), request.offset, shown, request.cancel)
        except NotFound:
            data = _manifest(path, request.cancel)
            if digests.digest_of(data, digests.split(digest)[0]) != digest:
                raise
            return BytesStream(data, request.offset)

    def write(self, request: WriteRequest) -> ImageWriter:
        """Open a folder to write to; see the slot. An image that is there is replaced."""
        from .writing import FolderWriter

        request.cancel.check()
        return FolderWriter(_path(request.location), request.cancel)

    def close(self) -> None:
        """Nothing is held."""


def _manifest(path: str, cancel: Cancel) -> bytes:
    cancel.check()
    folder = Folder(path)
    try:
        form.check_version(small(folder.open(form.VERSION_FILE), f"{path}/version", cancel), f"{path}/version")
    except NotFound:
        if not os.path.lexists(path):
            raise
        # The oldest have none.
    try:
        return small(folder.open(form.MANIFEST), f"{path}/{form.MANIFEST}", cancel)
    except NotFound:
        raise InvalidInput(f"{path} is no dir: folder: it has no {form.MANIFEST}",
                           hint=f"oci:{path} may read it" if os.path.lexists(f"{path}/oci-layout") else "") from None


def _path(location: str) -> str:
    path, colon, _ = location.partition(":")
    if not path:
        raise InvalidInput(f"{location!r} names no folder", hint="write dir:/path/to/folder")
    if colon:
        raise InvalidInput(f"{location!r}: a dir: folder holds one image, which has no name", hint=f"write dir:{path}")
    return path.rstrip("/") or "/"
