"""The image service on the real transport, registry, worker and storage drivers."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator

import pytest

import conman_overlay_storage
import conman_registry_pull
import conman_vfs_storage
from conman_kernel.cancel import Cancel
from conman_kernel.images.mounted import merged
from conman_kernel.images.parts import Parts
from conman_kernel.images.service import Images
from conman_kernel.slots.provider import PluginContext, Provider
from conman_kernel.slots.storage import KeyRequest, PrepareRequest, StorageDriver
from conman_kernel.store.blobs import Blobs
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks
from conman_kernel.testing.registry import Registry
from conman_kernel.worker.client import Worker

DRIVERS: dict[str, Callable[[], Provider[StorageDriver]]] = {
    "overlay-storage": conman_overlay_storage.conman_storage_driver,
    "vfs-storage": conman_vfs_storage.conman_storage_driver,
}


class Store:
    """One store with both drivers; ``default`` is the one that pulls go to."""

    def __init__(self, root: Path, default: str) -> None:
        self.layout = Layout(str(root / "root"), str(root / "run"))
        self.index = Index(self.layout)
        self.drivers: dict[str, StorageDriver] = {}
        self.transport = conman_registry_pull.conman_image_transport().open(self._context("registry-pull"))
        self.parts = Parts(
            layout=self.layout, database=self.index, locks=Locks(self.layout), blobs=Blobs(self.layout),
                worker=Worker,
            storage=self.driver, default_storage=default, transport=lambda scheme, access: self.transport,
            short_names=("docker.io/library",), keep_blobs=True, parallel=3, log=logging.getLogger("conman-test"))
        self.images = Images(self.parts)

    def driver(self, name: str) -> StorageDriver:
        if name not in self.drivers:
            self.drivers[name] = DRIVERS[name]().open(self._context(name))
        return self.drivers[name]

    def _context(self, name: str) -> PluginContext:
        return PluginContext(name=name, options={}, state_dir=self.layout.plugin_state(name),
                             run_dir=self.layout.plugin_run(name), log=logging.getLogger("conman-test"))

    @contextmanager
    def shown(self, chain_id: str) -> Iterator[Path]:
        """The whole tree of a committed layer, as a path through a descriptor."""
        driver, cancel = self.driver(self.parts.default_storage), Cancel()
        driver.prepare(PrepareRequest("look", chain_id, cancel))
        try:
            with merged(driver.mounts(KeyRequest("look", cancel)), self.layout, "look") as fd:
                yield Path(f"/proc/self/fd/{fd}")
        finally:
            driver.remove(KeyRequest("look", cancel))

    def left(self) -> set[str]:
        """Files that hold content: blobs, partial blobs, whatever the drivers keep."""
        root = Path(self.layout.root)
        found = {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir() or p.is_symlink()}
        return {p for p in found if not p.startswith(("index.db", "locks")) and not p.endswith("lock")}

    def close(self) -> None:
        self.transport.close()
        for driver in self.drivers.values():
            driver.close()
        self.index.close()


@pytest.fixture(params=list(DRIVERS))
def store(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Store]:
    """An empty store in memory, once for each driver."""
    made = Store(scratch, request.param)
    yield made
    made.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    """An empty loopback registry."""
    with Registry() as made:
        yield made
