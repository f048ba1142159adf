"""What the storage kit works with: a plugin's driver on a state folder of its own, and what the kernel does with one."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Iterator, Mapping

import pytest

from ....cancel import Cancel
from ....mounts import mount_all, unmount
from ....slots.provider import PluginContext, Provider
from ....slots.storage import (
    CommitRequest,
    KeyRequest,
    LeftoversRequest,
    Mount,
    PrepareRequest,
    Snapshot,
    StorageDriver,
    Whiteouts,
)
from ....worker.client import Worker
from ....worker.jobs import UnpackRequest
from ...trees import Entry, read_tree
from ..outcomes import unavailable
from ..scratch import ScratchBench

PATIENCE = 60.0
"""Seconds that any one call may take."""



def chain(number: int) -> str:
    """A committed snapshot's name as the kernel gives them: a chainID."""
    return f"sha256:{sha256(str(number).encode()).hexdigest()}"


class Store:
    """A driver, and the calls that the kernel makes.

    :ivar driver: the driver. ``state``: its ``state_dir``. ``context``: all that it was opened with.
    :ivar scratch: a folder for whatever a test needs beside it.
    """

    def __init__(self, provider: Provider[StorageDriver], context: PluginContext[Mapping[str, object]], scratch: Path) -> None:
        self.provider = provider
        self.context = context
        self.state = Path(context.state_dir)
        self.scratch = scratch
        self.driver = provider.open(context)
        self._opened = [self.driver]

    def again(self) -> StorageDriver:
        """Another driver on the same state, as the next command opens it."""
        self._opened.append(self.provider.open(self.context))
        return self._opened[-1]

    def prepare(self, key: str, parent: str | None = None, cancel: Cancel | None = None) -> Snapshot:
        """As the kernel calls it."""
        return self.driver.prepare(PrepareRequest(key, parent, cancel or Cancel(PATIENCE)))

    def view(self, key: str, parent: str | None = None) -> Snapshot:
        """As the kernel calls it."""
        return self.driver.view(PrepareRequest(key, parent, Cancel(PATIENCE)))

    def commit(self, key: str, name: str) -> None:
        """As the kernel calls it."""
        self.driver.commit(CommitRequest(key, name, Cancel(PATIENCE)))

    def remove(self, name: str) -> None:
        """As the kernel calls it."""
        self.driver.remove(KeyRequest(name, Cancel(PATIENCE)))

    def mounts(self, key: str) -> tuple[Mount, ...]:
        """As the kernel calls it."""
        return self.driver.mounts(KeyRequest(key, Cancel(PATIENCE)))

    def names(self, driver: StorageDriver | None = None) -> dict[str, str]:
        """What ``walk`` tells: name -> kind. Each once."""
        told = [(info.name, info.kind) for info in (driver or self.driver).walk(Cancel(PATIENCE))]
        assert len(dict(told)) == len(told), f"walk tells one snapshot twice: {told}"
        return dict(told)

    @contextmanager
    def shown(self, key: str, driver: StorageDriver | None = None) -> Iterator[Path]:
        """A snapshot mounted for the block; its mount point."""
        target = tempfile.mkdtemp(prefix="m-", dir=self.scratch)
        mount_all((driver or self.driver).mounts(KeyRequest(key, Cancel(PATIENCE))), target)
        try:
            yield Path(target)
        finally:
            unmount(target)
            os.rmdir(target)

    @contextmanager
    def looked_at(self, name: str, driver: StorageDriver | None = None) -> Iterator[Path]:
        """A committed snapshot, shown by a view."""
        driver = driver or self.driver
        key = f"look-{os.urandom(4).hex()}"
        driver.view(PrepareRequest(key, name, Cancel(PATIENCE)))
        try:
            with self.shown(key, driver) as target:
                yield target
        finally:
            driver.remove(KeyRequest(key, Cancel(PATIENCE)))

    def tree(self, name: str, driver: StorageDriver | None = None) -> dict[str, Entry]:
        """Every entry of a committed snapshot."""
        with self.looked_at(name, driver) as target:
            return read_tree(str(target))

    def write(self, key: str, files: Mapping[str, str]) -> None:
        """Write files into an active snapshot, as a container does."""
        with self.shown(key) as target:
            for name, text in files.items():
                path = target / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

    def make(self, name: str, parent: str | None = None, files: Mapping[str, str] | None = None) -> None:
        """A committed snapshot with some files, written as a container does."""
        self.prepare("make", parent)
        self.write("make", files or {})
        self.commit("make", name)

    def layer(self, name: str, parent: str | None, blob: bytes, *, worker: Worker | None = None, key: str = "unpack") -> None:
        """A committed snapshot with one layer of an image in it, unpacked as the kernel does (see the slot's scenarios)."""
        self.unpack(key, parent, blob, worker=worker)
        self.commit(key, name)

    def unpack(self, key: str, parent: str | None, blob: bytes, *, worker: Worker | None = None) -> None:
        """An active snapshot with one layer in it; where the layer needs what lies below, that is committed by now."""
        worker = worker or Worker()
        snapshot = self.prepare(key, parent)
        if snapshot.layer_path is not None:
            applied = self.driver.whiteouts is Whiteouts.APPLIED
            if not _unpack(worker, blob, snapshot.layer_path, self.driver.whiteouts, merged=applied, base=parent is None):
                return
            self.remove(key)
            self.prepare(key, parent)
        with self.shown(key) as target:
            _unpack(worker, blob, str(target), Whiteouts.APPLIED, merged=True, base=parent is None)

    def clear(self) -> None:
        """Remove every snapshot, and what is left of killed ones; nothing may refuse that."""
        driver = self.again()
        while left := {info.name: info for info in driver.walk(Cancel(PATIENCE))}:
            parents = {info.parent for info in left.values()}
            free = [name for name in left if name not in parents]
            assert free, f"snapshots that are each other's parents: {left}"
            for name in free:
                driver.remove(KeyRequest(name, Cancel(PATIENCE)))

    def leftovers(self, keep: frozenset[str] = frozenset()) -> tuple[str, ...] | None:
        """What a tidy driver tells; None of one that is not."""
        told = getattr(self.driver, "leftovers", None)
        if told is None or not hasattr(self.driver, "clear"):
            return None
        found: tuple[str, ...] = told(LeftoversRequest(keep, Cancel(PATIENCE)))
        return found

    def close(self) -> None:
        """Close every driver that was opened."""
        for driver in self._opened:
            driver.close()


def _unpack(worker: Worker, blob: bytes, folder: str, form: Whiteouts, *, merged: bool, base: bool) -> bool:
    """True: it is to be unpacked again, on what lies below."""
    source, target = os.memfd_create("layer"), os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with open(source, "wb", closefd=False) as file:
            file.write(blob)
        os.lseek(source, 0, os.SEEK_SET)
        return worker.unpack(UnpackRequest(source, target, "", form, Cancel(PATIENCE), merged=merged, base=base)).needs_parent
    finally:
        os.close(source)
        os.close(target)


class StorageBench(ScratchBench):
    """The fixtures. An author overrides ``provider``, and the others where they need to."""

    @pytest.fixture
    def provider(self) -> Provider[StorageDriver]:
        """What the plugin's hook ``conman_storage_driver`` returns. To be overridden."""
        raise NotImplementedError("override the fixture `provider`: return what your conman_storage_driver() returns")

    @pytest.fixture
    def place(self, scratch: Path) -> Path:
        """An existing folder that the driver's state may lie in. Override it where a driver needs a certain file system."""
        return scratch

    @pytest.fixture
    def store(self, provider: Provider[StorageDriver], options: Mapping[str, object], place: Path,
              scratch: Path) -> Iterator[Store]:
        """The driver on an empty state. Afterwards everything is removed by the driver itself."""
        state = Path(tempfile.mkdtemp(prefix="s-", dir=place)) / "state"
        context = self.context(provider, options, state)
        no = provider.probe(context)
        if no is not None:
            unavailable(no.reason, no.hint)
        if os.geteuid():
            unavailable("the kit mounts snapshots and makes devices", "run it as root")
        made = Store(provider, context, scratch)
        try:
            yield made
            made.clear()
        finally:
            made.close()
            shutil.rmtree(state.parent)

    def context(self, provider: Provider[StorageDriver], options: Mapping[str, object],
                state: Path) -> PluginContext[Mapping[str, object]]:
        """What the plugin is opened with."""
        return PluginContext(name="kit", options={**options}, state_dir=str(state), run_dir=f"{state}-run",
                             log=logging.getLogger("conman-kit"))
