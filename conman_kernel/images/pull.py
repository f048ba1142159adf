"""One pull, from resolving to the name: see :meth:`~.service.Images.pull`."""

from __future__ import annotations

import threading
import time
from typing import Callable, Sequence

from ..cancel import Cancel
from ..errors import DigestMismatch, InvalidInput, NotFound
from ..oci import digest as digests
from ..oci.image_config import ImageConfig, created_seconds, parse_config
from ..oci.platform import Platform, host_platform, matches, parse_platform
from ..slots.storage import AcquireRequest, KeyRequest, StorageDriver
from ..store import image_rows
from ..store.image_rows import Committed, ImageRow, LayerRow
from . import leases
from .collection import clear_dead, release
from .layers import Plan
from .leases import Items
from .parts import Parts
from .records import Progress
from .resolve import Found, Target, fetch_manifest, resolve


class Pull:
    """One pull. Used once.

    :param text: the reference as it was given.
    :param platform: as it was given; None takes the host's.
    """

    def __init__(self, parts: Parts, text: str, *, platform: str | None, progress: Callable[[Progress], None] | None,
                 tls_verify: bool | None, cancel: Cancel) -> None:
        self._parts = parts
        self._text = text
        self._asked = parse_platform(platform) if platform else None
        self._platform: Platform = self._asked or host_platform()
        self._progress = progress
        self._tls_verify = tls_verify
        self._cancel = cancel
        self._guard = threading.Lock()
        self._lease = leases.new_id()

    def resolve(self) -> Target:
        """Ask what the reference points at now. Errors as :func:`.resolve.resolve`."""
        self._emit(Progress("resolving", ""))
        return resolve(self._text, self._parts, self._tls_verify, self._cancel)

    def run(self, target: Target) -> str:
        """Bring the image here.

        :returns: its id. On any error what was begun is removed, but for partial downloads.
        """
        return self.place(fetch_manifest(target, self._platform, self._cancel))

    def place(self, found: Found) -> str:
        """Bring the image's missing layers into the default storage driver, and record it.

        :returns: its id. On any error what was begun is removed, but for partial downloads.
        """
        config_bytes, config = self._config(found)
        chain = digests.chain_ids(config.diff_ids)
        driver = self._parts.storage(self._parts.default_storage)
        clear_dead(self._parts, self._cancel)
        layers = tuple(LayerRow(chain[n], config.diff_ids[n], layer.digest, layer.size, layer.media_type)
                       for n, layer in enumerate(found.manifest.layers))
        try:
            self._bring(found, layers, driver)
            self._record(found, config_bytes, config, layers)
        except BaseException:
            # A token that fired must not keep the clearing from its work.
            release(self._parts, [self._lease], Cancel())
            raise
        self._emit(Progress("done", found.manifest.config.digest))
        return digests.split(found.manifest.config.digest)[1]

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
            raise InvalidInput(f"{what} lists {len(config.diff_ids)} layers, its manifest {len(found.manifest.layers)}",
                               hint="the image is broken or forged; ask who made it")
        if config.architecture and not matches(self._platform, config.platform):
            self._parts.log.warning("%s is an image for %s, not for %s", found.reference, config.platform, self._platform)
        return data, config

    def _bring(self, found: Found, layers: Sequence[LayerRow], driver: StorageDriver) -> None:
        name = self._parts.default_storage
        chain = [layer.chain_id for layer in layers]
        plans = [Plan(n + 1, f"unpack-{self._lease}-{n}", layer.chain_id, chain[n - 1] if n else None, layer.diff_id,
                      found.manifest.layers[n]) for n, layer in enumerate(layers)]
        items = Items(tuple((name, chain_id) for chain_id in chain), tuple((name, plan.key) for plan in plans),
                      tuple(layer.blob_digest for layer in layers))
        with self._parts.database.write() as db:
            leases.take(db, "pull", items, self._lease)
            here = set(image_rows.committed(db, name, chain))
        here = self._still_there(driver, here)
        wanted: list[Plan] = []
        for plan in plans:
            if plan.chain_id in here or (not wanted and self._acquired(driver, plan)):
                self._emit(Progress("exists", plan.blob.digest, plan.blob.size, plan.blob.size))
            else:
                wanted.append(plan)
        self._parts.blobs.drop_partials([plan.blob.digest for plan in wanted])
        if wanted:
            from .pipeline import Pipeline

            Pipeline(self._parts, found.source, str(found.reference), self._emit, self._cancel).run(wanted)

    def _still_there(self, driver: StorageDriver, chain_ids: set[str]) -> set[str]:
        lost: set[str] = set()
        for chain_id in chain_ids:
            try:
                driver.stat(KeyRequest(chain_id, self._cancel))
            except NotFound:
                lost.add(chain_id)
        if lost:
            self._parts.log.warning("%d layers vanished from %s and are brought again", len(lost), self._parts.default_storage)
            with self._parts.database.write() as db:
                image_rows.remove_layers(db, [(self._parts.default_storage, chain_id) for chain_id in lost])
        return chain_ids - lost

    def _acquired(self, driver: StorageDriver, plan: Plan) -> bool:
        if not driver.acquire(AcquireRequest(plan.chain_id, plan.parent, plan.blob, self._cancel)):
            return False
        size = driver.usage(KeyRequest(plan.chain_id, self._cancel)).size
        with self._parts.database.write() as db:
            image_rows.put_layer(db, Committed(self._parts.default_storage, plan.chain_id, plan.parent, plan.diff_id, size),
                                 time.time())
        return True

    def _record(self, found: Found, config_bytes: bytes, config: ImageConfig, layers: tuple[LayerRow, ...]) -> None:
        now = time.time()
        config_digest = found.manifest.config.digest
        image_id = digests.split(config_digest)[1]
        with self._parts.database.write() as db:
            sizes = image_rows.committed(db, self._parts.default_storage, [layer.chain_id for layer in layers])
            if any(layer.chain_id not in sizes for layer in layers):
                raise DigestMismatch(f"a layer of {found.reference} vanished while it was pulled", hint="pull again")
            image_rows.put_image(db, ImageRow(
                image_id, config_digest, config_bytes, found.descriptor.digest, found.manifest.media_type, found.document,
                str(config.platform), layers[-1].chain_id if layers else "", sum(sizes.values()),
                created_seconds(config.created), now, layers))
            for name in found.names:
                image_rows.put_name(db, name, image_id, found.target.digest, now)
            if found.repository:
                for digest in {found.target.digest, found.descriptor.digest}:
                    image_rows.put_digest(db, found.repository, digest, image_id)
            if self._parts.keep_blobs:
                image_rows.put_blobs(db, [(layer.blob_digest, layer.blob_size, layer.media_type) for layer in layers
                                          if self._parts.blobs.has(layer.blob_digest)])
            leases.drop(db, [self._lease])
