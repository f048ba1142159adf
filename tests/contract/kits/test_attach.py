"""The stock attach plugins keep the contract."""

from __future__ import annotations

import pytest

from conman_kernel.testing.kits import AttachContract


class TestPty(AttachContract):
    @pytest.fixture
    def provider(self):
        import conman_pty_attach

        return conman_pty_attach.conman_attach()


class TestRecord(AttachContract):
    @pytest.fixture
    def provider(self):
        import conman_record_attach

        return conman_record_attach.conman_attach()

    @pytest.fixture
    def options(self, tmp_path):
        return {"folder": str(tmp_path)}
