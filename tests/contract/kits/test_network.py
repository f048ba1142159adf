"""The stock network plugin, and the verified fake, keep the contract."""

from __future__ import annotations

import pytest

from conman_kernel.testing.kits import NetworkContract
from conman_kernel.testing.paper_network import paper_network


class TestCni(NetworkContract):
    @pytest.fixture
    def provider(self):
        import conman_cni_network

        return conman_cni_network.conman_network()


class TestPaper(NetworkContract):
    @pytest.fixture
    def provider(self):
        return paper_network()

    @pytest.fixture
    def packets(self):
        return False
