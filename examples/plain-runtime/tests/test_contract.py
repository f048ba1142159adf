"""The kit for runtimes, on this one."""

from __future__ import annotations

import pytest

import conman_plain_runtime
from conman_kernel.slots.provider import Provider
from conman_kernel.slots.runtime import Runtime
from conman_kernel.testing.kits import RuntimeContract


class TestPlain(RuntimeContract):
    @pytest.fixture
    def provider(self) -> Provider[Runtime]:
        return conman_plain_runtime.conman_runtime()
