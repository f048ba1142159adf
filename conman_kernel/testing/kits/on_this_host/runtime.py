"""The runtime kit for ``conman plugin test``."""

from __future__ import annotations

from typing import Mapping, cast

import pytest

from conman_kernel.slots.provider import Provider
from conman_kernel.slots.runtime import Runtime
from conman_kernel.testing.kits import RuntimeContract
from conman_kernel.testing.kits.on_this_host import Host


class TestRuntime(RuntimeContract):
    """The installed plugin."""

    @pytest.fixture
    def provider(self, conman_host: Host) -> Provider[Runtime]:
        """As installed."""
        return cast("Provider[Runtime]", conman_host.provider)

    @pytest.fixture
    def options(self, conman_host: Host) -> Mapping[str, object]:
        """As configured."""
        return conman_host.context.options
