"""One pull, from resolving to the name: see :meth:`~.service.Images.pull`."""

from __future__ import annotations

import threading
import time
from typing import Callable

from ..cancel import Cancel
from ..errors import Cancelled, DigestMismatch, InvalidInput, NotFound, Unavailable
from ..oci import digest as digests
from ..oci.image_config import ImageConfig, created_seconds, parse_config
from ..oci.platform import Platform, host_platform, matches, parse_platform, rank
from ..oci.reference import Reference
from ..slots.provider import Access
from ..slots.storage import KeyRequest
from ..store import image_rows
from ..store.image_rows import ImageRow, LayerRow
from ..store.sqlite import sqlite3
from . import leases
from .bring import Bringing
from .collection import clear_dead
from .naming import naming
from .parts import Parts
from .records import ImageRecord, Progress, image_of
from .resolve import Found, Target, fetch_manifest, resolve


class Pull:
    """One pull. Used once.

    :param text: the reference as it was given.
    :param platform: as it was given; None takes the host's.
    :param names: what the image is called here (``repository:tag``, whole), instead of what the reference says.
    """

    def __init__(self, parts: Parts, text: str, *, platform: str | None, progress: Callable[[Progress], None] | None,
                 access: Access, cancel: Cancel, names: tuple[str, ...] | None = None) -> None:
        self._parts = parts
        self._text = text
        self._asked = parse_platform(platform) if platform else None
        self._platform: Platform = self._asked or host_platform()
        self._progress = progress
        self._access = access
        self._names = names
        self._cancel = cancel
        self._guard = threading.Lock()

    def resolve(self) -> Target:
        """Ask what the reference points at now. Errors as :func:`.resolve.resolve`."""
        self._emit(Progress("resolving", ""))
        return resolve(self._text, self._parts, self._access, self._cancel, self._known)

    def present(self, target: Target) -> ImageRecord | None:
        """The image, where it is here already, whole and under that name: then there is nothing to :meth:`run`."""
        clear_dead(self._parts, self._cancel)
        with self._parts.database.read() as db:
            image, digest = self._named(db, target.reference)
            if image is None or digest != target.descriptor.digest:
                return None
            here = image_rows.committed(db, self._parts.default_storage, image.layers)
        driver = self._parts.storage(self._parts.default_storage)
        for chain_id in image.layers:
            try:
                driver.stat(KeyRequest(chain_id, self._cancel))
            except NotFound:
                return None
            if chain_id not in here:
                return None
        self._emit(Progress("done", f"sha256:{image.id}"))
        return image

    def _known(self, reference: Reference) -> str:
        with self._parts.database.read() as db:
            return self._named(db, reference)[1]

    def _named(self, db: sqlite3.Connection, reference: Reference) -> tuple[ImageRecord | None, str]:
        """The image of that name that is here, if it is for the platform, and what its name pointed at when it came."""
        names = naming(reference)[1] if self._names is None else ()
        row = image_rows.by_names(db, names) if names else None
        if row is None:
            return None, ""
        image = image_of(row, self._parts.default_storage)
        if rank(self._platform, image.config.platform) != 0:
            return None, ""  # a better one may be there
        return image, image_rows.target_of(db, names[0])

    def run(self, target: Target) -> str:
        """Bring the image here.

        :returns: its id. On any error what was begun is removed, but for partial downloads.
        """
        found = fetch_manifest(target, self._platform, self._cancel)
        config_bytes, config = self._config(found)
        chain = digests.chain_ids(config.diff_ids)
        clear_dead(self._parts, self._cancel)
        layers = tuple(LayerRow(chain[n], config.diff_ids[n], layer.digest, layer.size, layer.media_type)
                       for n, layer in enumerate(found.manifest.layers))
        bringing = Bringing(self._parts, str(found.reference), found.source, self._emit, self._cancel)
        try:
            bringing.bring(layers)
            self._record(found, config_bytes, config, layers, bringing.lease)
        except BaseException as error:
            bringing.release(interrupted=isinstance(error, (Cancelled, Unavailable, KeyboardInterrupt)))
            raise
        self._emit(Progress("done", found.manifest.config.digest))
        return digests.split(found.manifest.config.digest)[1]

    def _repositories(self, found: Found) -> set[str]:
        if self._names is None:
            return {found.repository} if found.repository else set()
        return {name.rpartition(":")[0] for name in self._names}

    def _emit(self, event: Progress) -> None:
        if self._progress is not None:
            with self._guard:
                self._progress(event)

    def _config(self, found: Found) -> tuple[bytes, ImageConfig]:
        descriptor, what = found.manifest.config, f"the configuration of {found.reference}"
        with self._parts.database.read() as db:
            known = image_rows.config_of(db, digests.split(descriptor.digest)[1])
        data = found.source.document(descriptor, what, self._cancel, known)
        config = parse_config(data, what)
        if len(config.diff_ids) != len(found.manifest.layers):
            count = len(found.manifest.layers)
            raise InvalidInput(f"{what} lists {len(config.diff_ids)} layers, its manifest {count}",
                               hint="the image is broken or forged; ask who made it")
        if config.architecture and not matches(self._platform, config.platform):
            self._parts.log.warning("%s is an image for %s, not for %s", found.reference, config.platform,
                                    self._platform)
        return data, config

    def _record(self, found: Found, config_bytes: bytes, config: ImageConfig, layers: tuple[LayerRow, ...],
                lease: str) -> None:
        now = time.time()
        config_digest = found.manifest.config.digest
        image_id = digests.split(config_digest)[1]
        with self._parts.database.write() as db:
            sizes = image_rows.committed(db, self._parts.default_storage, [layer.chain_id for layer in layers])
            if any(layer.chain_id not in sizes for layer in layers):
                raise DigestMismatch(f"a layer of {found.reference} vanished while it was pulled", hint="pull again")
            kept = self._kept(db, image_id, found, layers)
            if not kept:
                image_rows.put_image(db, ImageRow(
                    id=image_id, config_digest=config_digest, config=config_bytes, manifest_digest=found.descriptor.digest,
                    manifest_type=found.manifest.media_type, manifest=found.document, platform=str(config.platform),
                    top_chain_id=layers[-1].chain_id if layers else "", size=sum(sizes.values()),
                    created=created_seconds(config.created), pulled=now, layers=layers))
            for name in found.names if self._names is None else self._names:
                image_rows.put_name(db, name, image_id, found.target.digest, now)
            for repository in self._repositories(found):
                for digest in {kept} if kept else {found.target.digest, found.descriptor.digest}:
                    image_rows.put_digest(db, repository, digest, image_id)
            if found.reference.domain:
                blobs = [found.manifest.config.digest, *(layer.blob_digest for layer in layers)]
                image_rows.put_places(db, found.reference.repository, blobs, now)
            if self._parts.keep_blobs:
                image_rows.put_blobs(db, [(layer.blob_digest, layer.blob_size, layer.media_type) for layer in layers
                                          if self._parts.blobs.has(layer.blob_digest)])
            leases.drop(db, [lease])

    def _kept(self, db: sqlite3.Connection, image_id: str, found: Found, layers: tuple[LayerRow, ...]) -> str:
        """The digest of the manifest that the store has of this image, where it stays. Empty: the new one takes its place.

        Layers that were here already, unpacked, did not come again. A manifest of a local place that describes them otherwise
        (packed, or plain) would then name blobs that nobody has, and the image could not be sent anywhere.
        """
        if found.reference.domain or all(self._parts.blobs.has(layer.blob_digest) for layer in layers):
            return ""
        return image_rows.manifest_digest_of(db, image_id)
