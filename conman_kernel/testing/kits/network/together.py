"""Several at once, in threads and in processes; and calls that are told to stop."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Callable, Mapping

import pytest

from ....cancel import Cancel
from ....errors import AlreadyExists, Cancelled, ConmanError, DeadlineExceeded
from ....slots.network import DefineRequest, JoinRequest, LeaveRequest, Network, RemoveRequest
from ..children import Child
from .bench import PATIENCE, Site, asked, free_address, plain, port, talking

MANY = 6
ROUNDS = 3
MOST_SECONDS = 2.0
"""How long a call may go on after its token fired."""


class Together:
    """"Calls may come at once, for one network too, from threads and processes"."""

    def test_threads_do_not_meet(self, site: Site) -> None:
        """Containers that are started at once, the first ones of their network, get addresses of their own, and give all back."""
        network = site.network()
        names = [f"c{number}" for number in range(MANY)]
        for name in names:
            site.space(name)
        for _ in range(ROUNDS):
            with ThreadPoolExecutor(MANY) as pool:
                joined = list(pool.map(partial(_joined, site, network), enumerate(names)))
            assert len(set(joined)) == MANY
            with ThreadPoolExecutor(MANY) as pool:
                list(pool.map(site.leave, names))
            site.remove(network)

    def test_processes_do_not_meet(self, site: Site) -> None:
        """The same by several commands, each a process with an object of its own."""
        network = site.network()
        requests = [site.request(network, f"c{number}", ports=(port(8000 + number),)) for number in range(MANY)]
        (site.scratch / "told").mkdir()
        children = [Child(partial(_tell, site, request)) for request in requests]
        assert [child.wait().said for child in children] == [""] * MANY
        told = [json.loads(path.read_text()) for path in sorted((site.scratch / "told").iterdir())]
        assert len({tuple(addresses) for addresses, _ in told}) == MANY
        if site.packets:
            for number in range(MANY):
                with talking(site.space(f"c{number}"), 80, str(number)):
                    assert asked(None, "127.0.0.1", 8000 + number)[0] == str(number)
        leavers = [Child(partial(_leave, site, request)) for request in requests]
        assert [child.wait().said for child in leavers] == [""] * MANY
        again = site.join(network, "after", addresses=(plain(told[0][0][0]),))
        assert again.addresses == tuple(told[0][0])

    def test_one_of_many_gets_an_address(self, site: Site) -> None:
        """Of several that wish for one address at once exactly one gets it; the others are refused by AlreadyExists."""
        network = site.small()
        for number in range(MANY):
            site.space(f"c{number}")

        def race(number: int) -> bool:
            try:
                site.join(network, f"c{number}", driver=site.again(), addresses=("10.123.0.7",))
            except AlreadyExists:
                return False
            return True

        with ThreadPoolExecutor(MANY) as pool:
            assert sum(pool.map(race, range(MANY))) == 1

    def test_coming_beside_going(self, site: Site) -> None:
        """Containers that come and go beside each other in one network: nobody who stays loses anything."""
        network = site.network()
        site.join(network, "stays", ports=(port(8080),))
        names = [f"c{number}" for number in range(3)]
        for name in names:
            site.space(name)

        def change(name: str) -> None:
            for _ in range(ROUNDS):
                site.join(network, name, ports=(port(9000 + int(name[1:])),))
                site.leave(name)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(change, names))
        if site.packets:
            with talking(site.space("stays"), 80):
                assert asked(None, "127.0.0.1", 8080)[0] == "hello"


class Stopping:
    """"Every call that may block takes a deadline or a cancel token"."""

    @pytest.mark.parametrize("what", ["define", "join", "leave", "remove"])
    @pytest.mark.parametrize("fired", ["cancelled", "deadline"])
    def test_a_token_that_has_fired_ends_the_call(self, site: Site, what: str, fired: str) -> None:
        """A call whose token has fired either does its work at once or raises Cancelled (after its deadline: DeadlineExceeded),
        and within two seconds; then "whole or absent" holds. Ctrl-C must end a command."""
        cancel = Cancel(0.0 if fired == "deadline" else None)
        if fired == "cancelled":
            cancel.cancel()
        network = site.small()
        request = site.request(network, cancel=cancel)
        calls: Mapping[str, Callable[[], object]] = {
            "define": lambda: site.driver.define(DefineRequest(site.wanted("new"), (), cancel)),
            "join": lambda: site.driver.join(request), "leave": lambda: site.driver.leave(LeaveRequest(request, "", cancel)),
            "remove": lambda: site.driver.remove(RemoveRequest(network, cancel))}
        stopped: type[ConmanError] = DeadlineExceeded if fired == "deadline" else Cancelled
        joined = False
        started = time.monotonic()
        try:
            calls[what]()
            joined = what == "join"
        except stopped:
            joined = False
        assert time.monotonic() - started < MOST_SECONDS, "it went on although its token had fired"
        if joined:
            site.driver.leave(LeaveRequest(request._replace(cancel=Cancel(PATIENCE)), "", Cancel(PATIENCE)))
        free_address(site, network)

    def test_a_token_that_fires_in_the_middle(self, site: Site) -> None:
        """A token that fires while a container is joined: Cancelled, and nothing is left, or it is whole; within two seconds."""
        network = site.small()
        free_address(site, network)
        clean = site.facts()
        for delay in (0.0, 0.004, 0.012, 0.03, 0.06):
            cancel = Cancel()
            timer = threading.Timer(delay, cancel.cancel)
            request = site.request(network, cancel=cancel, ports=(port(8080),))
            timer.start()
            started = time.monotonic()
            try:
                state = site.driver.join(request).state
            except Cancelled:
                assert site.facts() == clean, "it was stopped, and left something"
            else:
                site.driver.leave(LeaveRequest(request, state, Cancel(PATIENCE)))
            assert time.monotonic() - started < MOST_SECONDS + delay
            timer.join()
            free_address(site, network)

    def test_a_leave_that_is_stopped_can_be_repeated(self, site: Site) -> None:
        """A token that fires while a container leaves: the next ``leave`` gives back what is left."""
        network = site.small()
        for delay in (0.0, 0.004, 0.012, 0.03):
            site.join(network, ports=(port(8080),))
            cancel = Cancel()
            timer = threading.Timer(delay, cancel.cancel)
            timer.start()
            try:
                site.driver.leave(site.leaving()._replace(cancel=cancel))
            except ConmanError as error:
                assert isinstance(error, Cancelled)
            timer.join()
            site.leave()
            free_address(site, network)


def _joined(site: Site, network: Network, numbered: tuple[int, str]) -> tuple[str, ...]:
    number, name = numbered
    return site.join(network, name, driver=site.again(), ports=(port(8000 + number),)).addresses


def _tell(site: Site, request: JoinRequest) -> None:
    joined = site.again().join(request)
    (site.scratch / "told" / request.name).write_text(json.dumps([joined.addresses, joined.state]))


def _leave(site: Site, request: JoinRequest) -> None:
    site.again().leave(LeaveRequest(request, json.loads((site.scratch / "told" / request.name).read_text())[1], Cancel(PATIENCE)))
