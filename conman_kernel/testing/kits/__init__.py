"""Contract kits: what each slot promises, as tests that a plugin's author inherits.

::

    class TestMine(StorageContract):
        @pytest.fixture
        def provider(self):
            return my_plugin.conman_storage_driver()

Run pytest on that. Every test's docstring names the promise it holds a plugin to, and why somebody relies on it. Three
outcomes are kept apart: *failed*, a promise is broken; *skipped* with "unavailable on this host", the plugin's own probe (or the
kit) misses something here, and says what; *skipped* with "not offered", the plugin does not claim to do that, which no promise
forbids.

``conman plugin test NAME`` runs them against an installed plugin. Needs ``conman[testing]`` (pytest).
"""

from __future__ import annotations

import pytest

# Before the modules are imported: then a failed assertion shows the values that it compared.
pytest.register_assert_rewrite(*(f"{__name__}.{slot}" for slot in ("attach", "network", "runtime", "storage", "transport")))

from .attach import AttachContract  # noqa: E402
from .network import NetworkContract  # noqa: E402
from .runtime import RuntimeContract  # noqa: E402
from .storage import StorageContract  # noqa: E402
from .transport import TransportContract  # noqa: E402

__all__ = ["AttachContract", "NetworkContract", "RuntimeContract", "StorageContract", "TransportContract"]
