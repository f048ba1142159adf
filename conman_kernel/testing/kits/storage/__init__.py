"""The contract of the slot ``conman.storage``."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("bench", "life", "telling", "trees", "crashes", "together")))

from .bench import StorageBench  # noqa: E402
from .crashes import Crashes  # noqa: E402
from .life import Committing, Preparing, Removing  # noqa: E402
from .telling import Telling  # noqa: E402
from .together import Stopping, Together  # noqa: E402
from .trees import Hostile, Trees  # noqa: E402


class StorageContract(Preparing, Committing, Removing, Telling, Trees, Hostile, Crashes, Together, Stopping, StorageBench):
    """What every storage driver promises, see :mod:`conman_kernel.slots.storage`.

    Override the fixture ``provider``; ``options`` where another ``[plugin.NAME]`` table is to be tried; ``place`` where the state
    must lie on a certain file system.
    """
