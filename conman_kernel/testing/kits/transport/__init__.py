"""The contract of the slot ``conman.transport``."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(*(f"{__name__}.{name}" for name in ("bench", "reading", "writing", "places")))

from .bench import TransportBench  # noqa: E402
from .places import Listing, Registries  # noqa: E402
from .reading import Reading  # noqa: E402
from .writing import Writing  # noqa: E402


class TransportContract(Reading, Writing, Listing, Registries, TransportBench):
    """What every image transport promises, see :mod:`conman_kernel.slots.transport`; what it may offer beyond that is found by
    its methods, and asked only where it has them.

    Override the fixtures ``provider`` and ``stock``; ``fresh`` where images are not written to a file or folder; ``options``
    where another ``[plugin.NAME]`` table is to be tried.
    """
