"""The network kit for ``conman plugin test``: each test in a network namespace of its own."""

from __future__ import annotations

from typing import Mapping, cast

import pytest

from conman_kernel.slots.network import NetworkDriver
from conman_kernel.slots.provider import Provider
from conman_kernel.testing.kits import NetworkContract
from conman_kernel.testing.kits.on_this_host import Host


class TestNetwork(NetworkContract):
    """The installed plugin."""

    @pytest.fixture
    def provider(self, conman_host: Host) -> Provider[NetworkDriver]:
        """As installed."""
        return cast("Provider[NetworkDriver]", conman_host.provider)

    @pytest.fixture
    def options(self, conman_host: Host) -> Mapping[str, object]:
        """As configured."""
        return conman_host.context.options
