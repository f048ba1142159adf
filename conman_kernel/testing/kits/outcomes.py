"""The outcomes of a kit's test beside passed and failed: both are skips, told apart by their first words."""

from __future__ import annotations

from typing import NoReturn

import pytest

UNAVAILABLE = "unavailable on this host: "
"""How the reason of a skip begins where the host lacks something."""

NOT_OFFERED = "not offered: "
"""How the reason of a skip begins where the plugin does not claim to do a thing, on no host."""


def unavailable(reason: str, hint: str = "") -> NoReturn:
    """Skip: the host lacks something that the plugin or the kit needs. ``hint``: what would help."""
    pytest.skip(f"{UNAVAILABLE}{reason}{f' ({hint})' if hint else ''}")


def not_offered(what: str) -> NoReturn:
    """Skip: the plugin says that it does not do this."""
    pytest.skip(NOT_OFFERED + what)
