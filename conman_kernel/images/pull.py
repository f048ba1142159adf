"""One pull, from resolving to the name: see :meth:`~.service.Images.pull`."""

from __future__ import annotations

import threading
import time
from typing import Callable

from ..cancel import Cancel
from ..errors import Cancelled, DigestMismatch, InvalidInput, Unavailable
from ..oci import digest as digests
from ..oci.image_config import ImageConfig, created_seconds, parse_config
from ..oci.platform import Platform, host_platform, matches, parse_platform
from ..slots.provider import Access
from ..store import image_rows
from ..store.image_rows import ImageRow, LayerRow
from . import leases
from .bring import Bringing
from .collection import clear_dead
from .parts import Parts
from .records import Progress
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
        return resolve(self._text, self._parts, self._access, self._cancel)

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
            image_rows.put_image(db, ImageRow(
                id=image_id, config_digest=config_digest, config=config_bytes, manifest_digest=found.descriptor.digest,
                manifest_type=found.manifest.media_type, manifest=found.document, platform=str(config.platform),
                top_chain_id=layers[-1].chain_id if layers else "", size=sum(sizes.values()),
                created=created_seconds(config.created), pulled=now, layers=layers))
            for name in found.names if self._names is None else self._names:
                image_rows.put_name(db, name, image_id, found.target.digest, now)
            for repository in self._repositories(found):
                for digest in {found.target.digest, found.descriptor.digest}:
                    image_rows.put_digest(db, repository, digest, image_id)
            if found.reference.domain:
                blobs = [found.manifest.config.digest, *(layer.blob_digest for layer in layers)]
                image_rows.put_places(db, found.reference.repository, blobs, now)
            if self._parts.keep_blobs:
                image_rows.put_blobs(db, [(layer.blob_digest, layer.blob_size, layer.media_type) for layer in layers
                                          if self._parts.blobs.has(layer.blob_digest)])
            leases.drop(db, [lease])
