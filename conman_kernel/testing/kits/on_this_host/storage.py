"""The storage kit for ``conman plugin test``."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, cast

import pytest

from conman_kernel.slots.provider import Provider
from conman_kernel.slots.storage import StorageDriver
from conman_kernel.testing.kits import StorageContract
from conman_kernel.testing.kits.on_this_host import Host


class TestStorage(StorageContract):
    """The installed driver, its state beside the one that it would have."""

    @pytest.fixture
    def provider(self, conman_host: Host) -> Provider[StorageDriver]:
        """As installed."""
        return cast("Provider[StorageDriver]", conman_host.provider)

    @pytest.fixture
    def options(self, conman_host: Host) -> Mapping[str, object]:
        """As configured."""
        return conman_host.context.options

    @pytest.fixture
    def place(self, conman_host: Host) -> Path:
        """On the file system that holds the store."""
        return conman_host.folder
