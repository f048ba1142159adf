"""Writing an image into a folder: blobs one by one, each whole, then the manifest, by which it appears."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from conman_kernel.errors import AlreadyExists, InvalidInput, NotFound
from conman_kernel.slots.transport import PutBlobRequest, PutManifestRequest
from conman_kernel.support.archives.filling import Filling
from conman_kernel.support.archives.folders import Folder
from conman_kernel.support.archives.streams import counted, small

from . import form

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel


class FolderWriter:
    """A folder as destination. See :class:`conman_kernel.slots.transport.ImageWriter`.

    Until the new ``manifest.json`` is there, by one rename, an image that was there before is; its files go after that.
    One program at a time.
    """

    plain_layers = False
    indexes = True

    def __init__(self, path: str, cancel: Cancel) -> None:
        self._path = path
        self._top: bytes | None = None
        self._wanted: set[str] = set()
        self._folder = Filling(path, exclusive=True)
        try:
            _check(path, cancel)
        except BaseException:
            self._folder.close()
            raise

    def put_blob(self, request: PutBlobRequest) -> Literal["exists", "mounted", "written"]:
        """See the slot."""
        descriptor, name = request.descriptor, form.blob(request.descriptor.digest)
        self._wanted.add(name)
        if self._folder.holds((name,), descriptor.digest, descriptor.size, request.cancel):
            return "exists"
        shown = f"{self._path}: blob {descriptor.digest}"
        self._folder.put((name,), counted(request.open(0), descriptor.size, shown, request.progress), request.cancel)
        return "written"

    def put_manifest(self, request: PutManifestRequest) -> None:
        """See the slot. Names have no place here.

        :raises InvalidInput: a second image.
        """
        if not request.top:
            name = form.listed(request.descriptor.digest)
            self._wanted.add(name)
            self._folder.put((name,), (request.content,), request.cancel)
        elif self._top is not None and self._top != request.content:
            raise InvalidInput(f"{self._path}: a dir: folder holds one image", hint="choose an archive for several")
        else:
            self._top = request.content

    def commit(self, cancel: Cancel) -> None:
        """See the slot."""
        if self._top is None:
            raise InvalidInput(f"{self._path}: no image was written")
        self._folder.put((form.VERSION_FILE,), (form.VERSION,), cancel)
        self._folder.put((form.MANIFEST,), (self._top,), cancel)
        self._folder.keep()
        for name in os.listdir(self._folder.fd):
            if form.belongs(name) and name not in self._wanted:
                self._folder.remove(name)

    def close(self) -> None:
        """See the slot."""
        self._folder.close()


def _check(path: str, cancel: Cancel) -> None:
    """Refuse a folder that holds other things. What a killed writer left has blobs at most."""
    try:
        version = small(Folder(path).open(form.VERSION_FILE), f"{path}/version", cancel)
    except NotFound:
        others = [name for name in os.listdir(path) if not form.belongs(name) and not name.startswith(".")]
        if others:
            raise AlreadyExists(f"{path} is a folder of other things: it has {others[0]!r} and no file version",
                                hint="name a folder that is empty, of dir: form, or not there yet") from None
        return
    form.check_version(version, f"{path}/version")
