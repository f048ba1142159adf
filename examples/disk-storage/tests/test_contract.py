"""The kit for storage drivers, on this one."""

from __future__ import annotations

import pytest

import conman_disk_storage
from conman_kernel.slots.provider import Provider
from conman_kernel.slots.storage import StorageDriver
from conman_kernel.testing.kits import StorageContract


class TestDisks(StorageContract):
    @pytest.fixture
    def provider(self) -> Provider[StorageDriver]:
        return conman_disk_storage.conman_storage_driver()
