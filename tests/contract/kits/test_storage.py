"""The stock storage drivers, and the verified fake in both forms, keep the contract."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.folder_storage import folder_storage
from conman_kernel.testing.kits import StorageContract

SIZE = 256 << 20


class TestOverlay(StorageContract):
    @pytest.fixture
    def provider(self):
        import conman_overlay_storage

        return conman_overlay_storage.conman_storage_driver()


class TestVfs(StorageContract):
    @pytest.fixture
    def provider(self):
        import conman_vfs_storage

        return conman_vfs_storage.conman_storage_driver()


class TestBtrfs(StorageContract):
    @pytest.fixture
    def provider(self):
        import conman_btrfs_storage

        return conman_btrfs_storage.conman_storage_driver()

    @pytest.fixture
    def place(self, btrfs: Path) -> Path:
        return btrfs


class TestFake(StorageContract):
    @pytest.fixture
    def provider(self):
        return folder_storage()


class TestFakeOfLayers(StorageContract):
    @pytest.fixture
    def provider(self):
        return folder_storage(independent=True)


@pytest.fixture(scope="module")
def btrfs() -> Iterator[Path]:
    """A btrfs in a file, through a loop device, for all tests of the class."""
    environ = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    if shutil.which("mkfs.btrfs", path=environ["PATH"]) is None:
        pytest.skip("no mkfs.btrfs here (make setup-dev installs it)")
    if os.geteuid() or ("\tbtrfs\n" not in Path("/proc/filesystems").read_text()
                        and subprocess.run(["modprobe", "btrfs"], capture_output=True).returncode):
        pytest.skip("not root, or this kernel knows no btrfs")
    folder = Path(tempfile.mkdtemp(prefix="kb-", dir="/dev/shm"))
    with open(folder / "image", "wb") as image:
        image.truncate(SIZE)
    subprocess.run(["mkfs.btrfs", "-q", folder / "image"], check=True, capture_output=True, env=environ)
    (folder / "disk").mkdir()
    subprocess.run(["mount", "-o", "loop", folder / "image", folder / "disk"], check=True)
    try:
        yield folder / "disk"
    finally:
        subprocess.run(["umount", folder / "disk"], check=True)
        shutil.rmtree(folder)
