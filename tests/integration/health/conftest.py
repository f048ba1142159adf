"""Containers whose health is checked: every test leaves the store as it was."""

from __future__ import annotations

import select
import time
from typing import Callable

import pytest

from conman_kernel.testing.command import Command


@pytest.fixture(autouse=True)
def untouched(left_as_it_was: None) -> None:
    """See :func:`left_as_it_was`."""


class Patient:
    """One container with a check."""

    def __init__(self, command: Command, name: str) -> None:
        self.command = command
        self.name = name

    def state(self) -> dict[str, object]:
        found = self.command.inspect(self.name)["State"]
        assert isinstance(found, dict)
        return found

    def health(self) -> dict[str, object]:
        found = self.state()["Health"]
        assert isinstance(found, dict)
        return found

    def until(self, wanted: Callable[[dict[str, object]], object], seconds: float = 60.0) -> dict[str, object]:
        """Its state, once that is as wanted."""
        end = time.monotonic() + seconds
        while not wanted(state := self.state()):
            assert time.monotonic() < end, state
            select.select([], [], [], 0.02)
        return state

    def until_health(self, status: str) -> dict[str, object]:
        found = self.until(lambda state: state["Health"]["Status"] == status)["Health"]  # type: ignore[index]
        assert isinstance(found, dict)
        return found


@pytest.fixture
def patient(conman: Command, image: str, gone: list[str]) -> Callable[..., Patient]:
    def make(check: str, *options: str, script: str = "exec sleep 1000") -> Patient:
        gone.append("patient")
        conman.ok("run", "-d", "--name", "patient", "--health-cmd", check, *options, image, "sh", "-c", script)
        return Patient(conman, "patient")
    return make
