"""The stock runtimes keep the contract."""

from __future__ import annotations

import pytest

from conman_kernel.testing.kits import RuntimeContract


class TestRunc(RuntimeContract):
    @pytest.fixture
    def provider(self):
        import conman_runc_runtime

        return conman_runc_runtime.conman_runtime()
