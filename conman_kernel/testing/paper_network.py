"""A verified fake of the network slot: a whole driver that keeps its networks on paper, for tests of what stands above one.

It keeps the contract (``conman_kernel.testing.kits.NetworkContract``) but for the packets, which need a host: what is joined
stands in one file below ``run_dir``, so that other processes see it and a reboot (the folder is gone) forgets it.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Callable, Iterator

from ..cancel import Cancel
from ..errors import AlreadyExists, InvalidInput, Unavailable
from ..record import Record
from ..slots.network import (
    API,
    DefineRequest,
    Joined,
    JoinRequest,
    LeaveRequest,
    Network,
    NetworkDriver,
    Port,
    RemoveRequest,
    Subnet,
)
from ..slots.provider import NoOptions, PluginContext, Provider, provider
from ..support.networks import Host, Offer, addresses, mac_address, number, plan

_OFFERS = {"bridge": Offer({"mtu": number(68, 65535)})}


class _Entry(Record):
    """What one container has in one network."""

    network: str
    addresses: tuple[str, ...]
    mac: str
    ports: tuple[Port, ...]


class PaperNetwork:
    """Implements :class:`conman_kernel.slots.network.NetworkDriver`.

    :param run_dir: where the paper lies.
    :ivar host: what the host seems to have; a test may change it.
    :ivar joins: every request to ``join``, in order. ``leaves``: to ``leave``. ``removals``: to ``remove``.
    :ivar before_join: called before each join; what it raises comes out of it. ``before_leave``: likewise.
    """

    drivers: tuple[str, ...] = tuple(_OFFERS)

    def __init__(self, run_dir: str) -> None:
        self._folder = run_dir
        self.host = Host()
        self.joins: list[JoinRequest] = []
        self.leaves: list[LeaveRequest] = []
        self.removals: list[RemoveRequest] = []
        self.before_join: Callable[[JoinRequest], None] = lambda request: None
        self.before_leave: Callable[[LeaveRequest], None] = lambda request: None

    def define(self, request: DefineRequest) -> Network:
        """See the slot."""
        request.cancel.check()
        return plan(request, _OFFERS, self.host, prefix="paper")

    def join(self, request: JoinRequest) -> Joined:
        """See the slot."""
        self.joins.append(request)
        network = request.network
        if network.internal and request.ports:
            raise InvalidInput(f"network {network.name} is internal: no port can be published in it")
        wished, mac = addresses(network, request.addresses), mac_address(request.mac)
        if not os.path.exists(request.namespace):
            raise Unavailable(f"there is no network namespace {request.namespace}")
        with self._paper(request.cancel) as paper:
            self.before_join(request)
            if _line(request) in paper:
                raise AlreadyExists(f"container {request.name} has an interface {request.interface} already")
            others = [entry for entry in paper.values() if entry.network == network.id]
            used = {address.partition("/")[0] for entry in others for address in entry.addresses}
            found = tuple(_given(subnet, wished, used, request) for subnet in network.subnets)
            if mac and any(entry.mac == mac for entry in others):
                raise AlreadyExists(f"mac address {mac} is in use in network {network.name}")
            mac = mac or _mac(request)
            gateways = () if network.internal else tuple(subnet.gateway for subnet in network.subnets)
            paper[_line(request)] = _Entry(network.id, found, mac, request.ports)
        return Joined(found, gateways, mac, json.dumps(found))

    def leave(self, request: LeaveRequest) -> None:
        """See the slot."""
        self.leaves.append(request)
        with self._paper(request.cancel) as paper:
            self.before_leave(request)
            paper.pop(_line(request.joining), None)

    def remove(self, request: RemoveRequest) -> None:
        """See the slot."""
        self.removals.append(request)
        with self._paper(request.cancel) as paper:
            for line in [line for line, entry in paper.items() if entry.network == request.network.id]:
                del paper[line]

    def members(self, network: Network) -> dict[str, tuple[str, ...]]:
        """Who is in a network: ``CONTAINER INTERFACE`` -> addresses."""
        with self._paper(Cancel()) as paper:
            return {line: entry.addresses for line, entry in paper.items() if entry.network == network.id}

    def published(self) -> tuple[Port, ...]:
        """Every published port."""
        with self._paper(Cancel()) as paper:
            return tuple(port for entry in paper.values() for port in entry.ports)

    @contextmanager
    def _paper(self, cancel: Cancel) -> Iterator[dict[str, _Entry]]:
        """The paper, of this process alone; written when the block ends without an error."""
        cancel.check()
        os.makedirs(self._folder, exist_ok=True)
        with open(f"{self._folder}/lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            paper = _read(f"{self._folder}/paper.json")
            before = dict(paper)
            yield paper
            if paper != before:
                with open(f"{self._folder}/new", "w", encoding="utf-8") as file:
                    json.dump(paper, file)
                os.rename(f"{self._folder}/new", f"{self._folder}/paper.json")


def paper_network() -> Provider[NetworkDriver]:
    """What a plugin's hook would return for it."""
    def opened(context: PluginContext[NoOptions]) -> NetworkDriver:
        return PaperNetwork(context.run_dir)

    return provider(api=API, summary="networks on paper, for tests", options=NoOptions, open=opened)


def _read(path: str) -> dict[str, _Entry]:
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file)
    except FileNotFoundError:
        return {}
    return {line: _Entry(network, tuple(found), mac, tuple(Port(*port) for port in ports))
            for line, (network, found, mac, ports) in raw.items()}


def _line(request: JoinRequest) -> str:
    return f"{request.network.id[:12]} {request.container} {request.interface}"


def _mac(request: JoinRequest) -> str:
    digest = sha256(_line(request).encode()).hexdigest()
    return ":".join(["02", *(digest[at:at + 2] for at in range(0, 10, 2))])


def _given(subnet: Subnet, wished: tuple[str, ...], used: set[str], request: JoinRequest) -> str:
    """The address of one subnet, with the length of the prefix."""
    whole = ip_network(subnet.subnet)
    for text in wished:
        if ip_address(text) in whole:
            if text in used:
                raise AlreadyExists(f"address {text} is in use in network {request.network.name}")
            return f"{text}/{whole.prefixlen}"
    low = int(ip_address(subnet.first)) if subnet.first else int(whole[1])
    high = int(ip_address(subnet.last)) if subnet.last else int(whole[-2])
    for at in range(low, high + 1):
        address = str(type(whole.network_address)(at))
        if address not in used and address != subnet.gateway:
            return f"{address}/{whole.prefixlen}"
    raise Unavailable(f"no address of {subnet.subnet} in network {request.network.name} is free")
