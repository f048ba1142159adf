"""The transport itself: a layout's names to descriptors, descriptors to bytes, and back."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci import digest as digests
from conman_kernel.slots.transport import Contained, ImageWriter, OpenRequest, Resolved, ResolveRequest, WriteRequest
from conman_kernel.support.archives.folders import Folder
from conman_kernel.support.archives.opened import Archives
from conman_kernel.support.archives.spool import Spool
from conman_kernel.support.archives.standard import refuse, stream_number
from conman_kernel.support.archives.streams import FileStream, Piece, small

from . import layout

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel


class LayoutTransport:
    """Images in layout folders and archives. Implements :class:`conman_kernel.slots.transport.WritableTransport` and
    :class:`conman_kernel.slots.transport.ListingTransport`.

    :param spool: where archives go that cannot be read in place.
    """

    def __init__(self, spool: Spool | None = None) -> None:
        self._archives = Archives(spool or Spool())

    def resolve(self, request: ResolveRequest) -> Resolved:
        """Find an image by its name in the layout; see the slot."""
        path, name = _split(request.location)
        return Resolved(layout.choose(self._entries(path, request.cancel), name, path))

    def images(self, request: ResolveRequest) -> tuple[Contained, ...]:
        """What a layout holds; see the slot."""
        path, name = _split(request.location)
        found = self._entries(path, request.cancel)
        if not name:
            return layout.contained(found, path)
        layout.choose(found, name, path)
        return (Contained(request.location, layout.called(found, name)),)

    def open(self, request: OpenRequest) -> FileStream:
        """Open a blob or manifest by its digest; see the slot."""
        request.cancel.check()
        path, _ = _split(request.location)
        piece = self._open(path, blob_names(request.descriptor.digest), request.cancel)
        return FileStream(piece, request.offset, f"{path}: blob {request.descriptor.digest}", request.cancel)

    def write(self, request: WriteRequest) -> ImageWriter:
        """Open a folder or an archive to write to, as the scheme says; see the slot.

        :raises AlreadyExists: an archive is to be written where a folder is.
        :raises InvalidInput: a folder is to be written where a file is.
        """
        from . import indexing, writing

        request.cancel.check()
        path, name = _split(request.location)
        indexing.check_name(name, request.location)
        if wants_folder(path, request.scheme):
            return writing.FolderWriter(path.rstrip("/") or "/", name, request.cancel)
        return writing.ArchiveWriter(path, name)

    def close(self) -> None:
        """Forget what was read of archives. May be called twice."""
        self._archives.close()

    def _entries(self, path: str, cancel: Cancel) -> tuple[layout.Named, ...]:
        cancel.check()
        try:
            version = self._open(path, ("oci-layout",), cancel)
        except NotFound:
            if not _exists(path):
                raise
            raise InvalidInput(f"{path} is no OCI layout: it has no file oci-layout",
                               hint=self._other(path, cancel)) from None
        layout.check_version(small(version, f"{path}/oci-layout", cancel), f"{path}/oci-layout")
        what = f"{path}/index.json"
        return layout.entries(small(self._open(path, ("index.json",), cancel), what, cancel), what)

    def _other(self, path: str, cancel: Cancel) -> str:
        """What it seems to be instead."""
        try:
            os.close(self._open(path, ("manifest.json",), cancel).fd)
        except (NotFound, InvalidInput):
            return ""
        return f"dir:{path} may read it" if _folder(path) else f"docker-archive:{path} may read it"

    def _open(self, path: str, names: tuple[str, ...], cancel: Cancel) -> Piece:
        if _folder(path):
            return Folder(path).open(*names)
        return self._archives.get(path, cancel).open("/".join(names))


def blob_names(digest: str) -> tuple[str, str, str]:
    """Where a layout has a blob: ``blobs``, algorithm, hexadecimal digits. :raises InvalidInput: it is no digest."""
    return ("blobs", *digests.split(digest))


def wants_folder(path: str, scheme: str) -> bool:
    """Whether a layout is to be a folder: as the scheme says; for a scheme of the configuration's own, by what is there."""
    if stream_number(path) is not None:
        return False
    if scheme in ("oci", "oci-archive"):
        return scheme == "oci"
    return path.endswith("/") or _folder(path)


def _folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        refuse(error, path)


def _exists(path: str) -> bool:
    return stream_number(path) is not None or os.path.exists(path)


def _split(location: str) -> tuple[str, str]:
    path, _, name = location.partition(":")
    if not path:
        raise InvalidInput(f"{location!r} names no folder or archive", hint="write /path/to/layout or /path/to/it:name")
    return path, name
