"""Every test here leaves the store as it was; the store and the other fixtures are those of the folder above."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def untouched(left_as_it_was: None) -> None:
    """See :func:`left_as_it_was`."""
