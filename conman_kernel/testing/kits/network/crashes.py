"""A command that is killed in the middle of a call: ``leave`` gives back what it had, and the next one can do the step."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Callable

import pytest

from ....cancel import Cancel
from ....slots.network import JoinRequest, LeaveRequest, Network, RemoveRequest
from ..children import Child, Ended, in_child
from .bench import PATIENCE, Site, free_address, port

MOST_POINTS = 1_000_000 if os.environ.get("CONMAN_STRESS") else 6
"""Points at which one step is killed; where it has more, they are spread."""
TIMED = 4

_Run = Callable[[Callable[[], object]], Ended]


class Crashes:
    """``kill -9`` at any line."""

    @pytest.mark.parametrize("ports", [(), (port(8080), port(8081, 81, "udp"))], ids=["plain", "ports"])
    def test_a_killed_join_is_undone(self, site: Site, ports: tuple[object, ...]) -> None:
        """``join`` is whole or absent "where the command was killed in the middle and ``leave`` is called for what ``join`` never
        returned". It is killed before its calls that change something, and some times by the clock, when what it has started
        may be at work still; then the next command leaves, and the only address of the network is free, the host as it was."""
        network = site.small()
        free_address(site, network)
        clean = site.facts()
        request = site.request(network, ports=ports)

        def attempt(run: _Run) -> Ended:
            ended = run(partial(_join, site, request))
            site.again().leave(LeaveRequest(request._replace(cancel=Cancel(PATIENCE)), "", Cancel(PATIENCE)))
            assert site.facts() == clean, "leave does not clear what a crash left"
            free_address(site, network)
            return ended

        _at_many_points(attempt)

    def test_a_killed_leave_is_repeated(self, site: Site) -> None:
        """A ``leave`` that is killed is called again, and gives back the rest."""
        network = site.small()
        free_address(site, network)
        clean = site.facts()

        def attempt(run: _Run) -> Ended:
            site.join(network, ports=(port(8080),))
            ended = run(partial(_leave, site, site.leaving()))
            site.leave(driver=site.again())
            assert site.facts() == clean, "a second leave does not clear what the first one left"
            free_address(site, network)
            return ended

        _at_many_points(attempt)

    def test_a_killed_remove_is_repeated(self, site: Site) -> None:
        """A ``remove`` that is killed is called again, and removes the rest."""
        clean = site.facts()
        network = site.small()

        def attempt(run: _Run) -> Ended:
            free_address(site, network)
            ended = run(partial(_remove, site, network))
            site.again().remove(RemoveRequest(network, Cancel(PATIENCE)))
            assert site.facts() == clean, "a second remove does not clear what the first one left"
            return ended

        _at_many_points(attempt)


def _join(site: Site, request: JoinRequest) -> None:
    site.again().join(request._replace(cancel=Cancel(PATIENCE)))


def _leave(site: Site, request: LeaveRequest) -> None:
    site.again().leave(request)


def _remove(site: Site, network: Network) -> None:
    site.again().remove(RemoveRequest(network, Cancel(PATIENCE)))


def _at_many_points(attempt: Callable[[_Run], Ended]) -> None:
    started = time.monotonic()
    whole = attempt(in_child)
    took = time.monotonic() - started
    assert not whole.said, f"in the child: {whole.said}"
    points = whole.points
    spread = {1 + round(index * (points - 1) / MOST_POINTS) for index in range(MOST_POINTS + 1)} if points else set()
    killed = sum(attempt(partial(in_child, die_at=number)).killed for number in sorted(spread))
    for number in range(TIMED):
        attempt(partial(_timed, took * number / TIMED / 2))
    assert killed or not points, "not one of the points was reached again: the kit cannot kill this driver"


def _timed(seconds: float, action: Callable[[], object]) -> Ended:
    child = Child(action)
    child.kill_after(seconds)
    return child.wait()
