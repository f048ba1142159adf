"""The contract of the slot ``conman.network``."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in (
    "bench", "crashes", "defining", "joining", "leaving", "packets", "ports", "together")))

from .bench import NetworkBench  # noqa: E402
from .crashes import Crashes  # noqa: E402
from .defining import Defining  # noqa: E402
from .joining import Joining  # noqa: E402
from .leaving import Leaving  # noqa: E402
from .packets import Packets  # noqa: E402
from .ports import Ports  # noqa: E402
from .together import Stopping, Together  # noqa: E402


class NetworkContract(Defining, Joining, Leaving, Packets, Ports, Crashes, Together, Stopping, NetworkBench):
    """What every network plugin promises, see :mod:`conman_kernel.slots.network`.

    Override the fixture ``provider``; ``options`` where another ``[plugin.NAME]`` table is to be tried; ``packets`` where the
    driver moves none. Every test has a network namespace of its own for a host: nothing of the real host's is touched.
    """
