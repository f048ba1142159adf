"""The stock drivers on real mounts: in memory, and on ext4 and btrfs through loop devices."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, TypeVar

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.mounts import mount_all, unmount
from conman_kernel.slots.provider import PluginContext
from conman_kernel.slots.storage import CommitRequest, KeyRequest, PrepareRequest, StorageDriver, Whiteouts
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import UnpackRequest, UnpackResult

T = TypeVar("T")


def open_driver(name: str, state: Path, **options: object) -> StorageDriver:
    """As the kernel opens it, without discovery."""
    from importlib import import_module

    provider = import_module(f"conman_{name}_storage").conman_storage_driver()
    table = {option.name: option.default for option in provider.options} | options
    context = PluginContext(name=f"{name}-storage", options=table, state_dir=str(state), run_dir=str(state) + "-run",
                            log=logging.getLogger("test"))
    assert provider.probe(context) is None
    driver: StorageDriver = provider.open(context)
    return driver


class Store:
    """A driver, and what the kernel does with it."""

    def __init__(self, driver: StorageDriver, scratch: Path) -> None:
        self.driver = driver
        self._scratch = scratch
        self.results: list[UnpackResult] = []

    @contextmanager
    def shown(self, key: str) -> Iterator[str]:
        """A snapshot mounted for the length of the block; its mount point."""
        target = tempfile.mkdtemp(dir=self._scratch)
        mount_all(self.driver.mounts(KeyRequest(key, Cancel(60))), target)
        try:
            yield target
        finally:
            unmount(target)
            os.rmdir(target)

    def mounted(self, key: str, action: Callable[[str], T]) -> T:
        """Mount a snapshot, act on the mount point, unmount."""
        with self.shown(key) as target:
            return action(target)

    def _write(self, blob: bytes | Path, folder: str, *, merged: bool, base: bool, form: Whiteouts) -> UnpackResult:
        path = blob if isinstance(blob, Path) else self._scratch / "blob"
        if isinstance(blob, bytes):
            path.write_bytes(blob)
        source, target = os.open(path, os.O_RDONLY), os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return Worker().unpack(UnpackRequest(source, target, "", form, Cancel(120), merged=merged, base=base))
        finally:
            os.close(source)
            os.close(target)

    def add(self, name: str, parent: str | None, blob: bytes | Path, *, before_parent: bool = False) -> Callable[[], None]:
        """Unpack a layer as the kernel does; returns what commits it (already called unless ``before_parent``)."""
        driver, key = self.driver, f"unpack-{name}"
        snapshot = driver.prepare(PrepareRequest(key, parent, Cancel(60)))
        assert snapshot.layer_path is not None
        merged = driver.whiteouts is Whiteouts.APPLIED
        result = self._write(blob, snapshot.layer_path, merged=merged, base=parent is None, form=driver.whiteouts)
        self.results.append(result)

        def again() -> None:
            driver.remove(KeyRequest(key, Cancel(60)))
            driver.prepare(PrepareRequest(key, parent, Cancel(60)))
            self.mounted(key, lambda folder: self._write(blob, folder, merged=True, base=False, form=Whiteouts.APPLIED))

        def commit() -> None:
            if result.needs_parent:
                again()
            driver.commit(CommitRequest(key, name, Cancel(60)))

        if not before_parent:
            commit()
        return commit


MAKERS = {"ext4": ["mkfs.ext4", "-q", "-O", "^has_journal"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}
SIZES = {"ext4": 96 << 20, "btrfs": 256 << 20}


@contextmanager
def loop_mounted(kind: str, folder: Path, size: int = 0) -> Iterator[Path]:
    """The folder, made, with an empty file system of that kind on it; it lies in a file beside the folder, full of holes.

    :param size: of the file system, bytes; 0: enough for small trees.
    """
    lacks = missing(kind)
    if lacks:
        pytest.skip(lacks)
    folder.mkdir()
    image = folder.parent / f"{folder.name}.img"
    with open(image, "wb") as file:
        file.truncate(size or SIZES[kind])
    subprocess.run([*MAKERS[kind], image], check=True, capture_output=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)
        image.unlink()


def missing(kind: str) -> str:
    """What keeps this machine from mounting such a file system; empty: nothing."""
    if shutil.which(MAKERS[kind][0], path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
        return f"no {MAKERS[kind][0]} here (make setup-dev installs it)"
    known = Path("/proc/filesystems").read_text()
    if f"\t{kind}\n" not in known and subprocess.run(["modprobe", kind], capture_output=True).returncode:
        return f"this kernel knows no {kind}"
    return ""


DRIVERS = ("overlay", "vfs", "btrfs")


@contextmanager
def state_for(name: str, folder: Path) -> Iterator[Path]:
    """A folder that can hold a driver's state: in memory, or a btrfs of its own for the one that needs it."""
    if name != "btrfs":
        yield folder
        return
    with loop_mounted("btrfs", folder) as mounted:
        yield mounted


@pytest.fixture
def scratch_folder() -> Iterator[Path]:
    made = Path(f"/dev/shm/cs{os.urandom(6).hex()}")  # podman takes a path for a reference: no underscores
    made.mkdir(mode=0o700)
    yield made
    shutil.rmtree(made)


@pytest.fixture(params=["tmpfs", "ext4", "btrfs"])
def disk(request: pytest.FixtureRequest, scratch_folder: Path) -> Iterator[Path]:
    folder = scratch_folder / "disk"
    if request.param == "tmpfs":
        folder.mkdir()
        yield folder
        return
    with loop_mounted(request.param, folder):
        yield folder


@pytest.fixture
def stores(disk: Path, scratch_folder: Path, request: pytest.FixtureRequest) -> dict[str, Store]:
    """Every driver that this disk can hold."""
    names = DRIVERS if request.node.callspec.params["disk"] == "btrfs" else ("overlay", "vfs")
    return {name: Store(open_driver(name, disk / name), scratch_folder) for name in names}


@pytest.fixture(params=DRIVERS)
def store(request: pytest.FixtureRequest, scratch_folder: Path) -> Iterator[Store]:
    with state_for(request.param, scratch_folder / "state") as state:
        yield Store(open_driver(request.param, state), scratch_folder)
