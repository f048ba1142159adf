"""Writing images: into a layout folder, beside those that are there, or into an archive, which is made anew."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Literal, Mapping, Sequence

from conman_kernel.errors import AlreadyExists, NotFound
from conman_kernel.slots.transport import PutBlobRequest, PutManifestRequest
from conman_kernel.support.archives.filling import Filling
from conman_kernel.support.archives.folders import Folder
from conman_kernel.support.archives.sinks import open_sink
from conman_kernel.support.archives.streams import counted, small
from conman_kernel.support.archives.tarwriter import TarWriter

from . import indexing, layout
from .transport import blob_names

if TYPE_CHECKING:
    from conman_kernel.cancel import Cancel


class FolderWriter:
    """A layout folder as destination. See :class:`conman_kernel.slots.transport.ImageWriter`.

    Blobs appear one by one, each whole; the images appear together, when ``index.json`` is replaced.
    """

    plain_layers = False
    indexes = True

    def __init__(self, path: str, name: str, cancel: Cancel) -> None:
        self._path, self._name = path, name
        self._lock = threading.Lock()
        self._rows: list[Mapping[str, object]] = []
        self._folder = Filling(path)
        try:
            _check_layout(path, cancel)
        except BaseException:
            self._folder.close()
            raise

    def put_blob(self, request: PutBlobRequest) -> Literal["exists", "mounted", "written"]:
        """See the slot."""
        descriptor, names = request.descriptor, blob_names(request.descriptor.digest)
        if self._folder.holds(names, descriptor.digest, descriptor.size, request.cancel):
            return "exists"
        shown = f"{self._path}: blob {descriptor.digest}"
        self._folder.put(names, counted(request.open(0), descriptor.size, shown, request.progress), request.cancel)
        return "written"

    def put_manifest(self, request: PutManifestRequest) -> None:
        """See the slot."""
        names, digest = blob_names(request.descriptor.digest), request.descriptor.digest
        if not self._folder.holds(names, digest, len(request.content), request.cancel):
            self._folder.put(names, (request.content,), request.cancel)
        if request.top:
            with self._lock:
                self._rows += indexing.rows(request.descriptor, _names(request.names, self._name))

    def commit(self, cancel: Cancel) -> None:
        """See the slot."""
        with self._lock:
            added = list(self._rows)
        source = Folder(self._path)
        with self._folder.alone(cancel, "blobs"):
            self._version(source, cancel)
            what = f"{self._path}/index.json"
            try:
                existing = small(source.open("index.json"), what, cancel)
            except NotFound:
                existing = None
            self._folder.put(("index.json",), (indexing.merged(existing, added, what),), cancel)
        self._folder.keep()

    def close(self) -> None:
        """See the slot."""
        self._folder.close()

    def _version(self, source: Folder, cancel: Cancel) -> None:
        try:
            small(source.open("oci-layout"), f"{self._path}/oci-layout", cancel)
        except NotFound:
            self._folder.put(("oci-layout",), (indexing.VERSION,), cancel)


class ArchiveWriter:
    """An archive as destination, which appears whole, in place of one that is there."""

    plain_layers = False
    indexes = True

    def __init__(self, path: str, name: str) -> None:
        self._path, self._name = path, name
        self._tar = TarWriter(open_sink(path), path)
        self._rows: list[Mapping[str, object]] = []

    def put_blob(self, request: PutBlobRequest) -> Literal["exists", "mounted", "written"]:
        """See the slot."""
        descriptor = request.descriptor
        name = "/".join(blob_names(descriptor.digest))
        shown = f"{self._path}: blob {descriptor.digest}"
        chunks = counted(request.open(0), descriptor.size, shown, request.progress)
        return "written" if self._tar.add(name, descriptor.size, chunks, request.cancel) else "exists"

    def put_manifest(self, request: PutManifestRequest) -> None:
        """See the slot."""
        self._tar.add_document("/".join(blob_names(request.descriptor.digest)), request.content, request.cancel)
        if request.top:
            self._rows += indexing.rows(request.descriptor, _names(request.names, self._name))

    def commit(self, cancel: Cancel) -> None:
        """See the slot."""
        self._tar.add_document("oci-layout", indexing.VERSION, cancel)
        self._tar.add_document("index.json", indexing.merged(None, self._rows, f"{self._path}/index.json"), cancel)
        self._tar.finish(cancel)

    def close(self) -> None:
        """See the slot."""
        self._tar.close()


def _names(given: Sequence[str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given)) or ((name,) if name else ())


def _check_layout(path: str, cancel: Cancel) -> None:
    """Refuse a folder that is another version's, or holds something else. One without a layout is to be made one."""
    try:
        version = small(Folder(path).open("oci-layout"), f"{path}/oci-layout", cancel)
    except NotFound:
        _check_empty(path)
        return
    layout.check_version(version, f"{path}/oci-layout")


def _check_empty(path: str) -> None:
    others = [name for name in os.listdir(path) if name not in ("blobs", "index.json") and not name.startswith(".")]
    if others:
        raise AlreadyExists(f"{path} is a folder of other things: it has {others[0]!r} and no oci-layout",
                            hint="name a folder that is empty, a layout, or not there yet")
