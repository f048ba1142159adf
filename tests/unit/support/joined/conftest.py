"""Sessions in memory for the tests of the person's side."""

from __future__ import annotations

from typing import Iterator

import pytest

from conman_kernel.testing.memory_session import MemorySession


@pytest.fixture
def sessions() -> Iterator[list[MemorySession]]:
    """Sessions put in here are closed at the end."""
    made: list[MemorySession] = []
    yield made
    for session in made:
        session.close()


@pytest.fixture
def session(sessions):
    """Makes sessions: ``session(terminal=True)``."""
    def make(**wishes) -> MemorySession:
        sessions.append(MemorySession(**wishes))
        return sessions[-1]
    return make
