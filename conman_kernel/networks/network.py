"""One network, as callers hold it."""

from __future__ import annotations

from typing import Mapping, Protocol

from ..cancel import Cancel
from ..slots.network import Network as Definition
from ..slots.network import Subnet
from ..times import rfc3339
from . import rows
from .means import Means
from .rows import NetworkRow


class Connectable(Protocol):
    """What :meth:`Network.connect` needs of a container: a :class:`~conman_kernel.Container` has it."""

    def connect(self, network: str, *, addresses: tuple[str, ...] = (), mac: str = "", aliases: tuple[str, ...] = (),
                cancel: Cancel | None = None) -> None:
        """Put it into a network."""
        ...

    def disconnect(self, network: str, *, cancel: Cancel | None = None) -> None:
        """Take it out of one."""
        ...


class Network:
    """One network. Its properties are as of when it was read."""

    __slots__ = ("_means", "_row")

    def __init__(self, means: Means, row: NetworkRow) -> None:
        self._means = means
        self._row = row

    def __repr__(self) -> str:
        return f"Network({self.name!r}, driver={self.driver!r})"

    @property
    def definition(self) -> Definition:
        """As its plugin completed it."""
        return self._row.network

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self._row.network.id

    @property
    def name(self) -> str:
        """Its name."""
        return self._row.network.name

    @property
    def driver(self) -> str:
        """``bridge``, or another kind of its plugin's."""
        return self._row.network.driver

    @property
    def plugin(self) -> str:
        """The network plugin that made it, whatever the default is now."""
        return self._row.plugin

    @property
    def subnets(self) -> tuple[Subnet, ...]:
        """Its ranges of addresses."""
        return self._row.network.subnets

    @property
    def internal(self) -> bool:
        """There is no way out of it."""
        return self._row.network.internal

    @property
    def dns(self) -> bool:
        """Its containers find each other by name."""
        return self._row.dns

    @property
    def created(self) -> float:
        """Seconds since the epoch."""
        return self._row.created

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return dict(self._row.labels)

    @property
    def options(self) -> Mapping[str, str]:
        """Options of its driver."""
        return dict(self._row.network.options)

    def container_ids(self) -> list[str]:
        """Ids of the containers in it, running or not."""
        with self._means.index.read() as connection:
            return rows.users(connection, self.name)

    def connect(self, container: Connectable, *, addresses: tuple[str, ...] = (), mac: str = "", aliases: tuple[str, ...] = (),
                cancel: Cancel | None = None) -> None:
        """Put a container into it, live where that runs.

        :param addresses: wished for, one a subnet at most. ``mac`` likewise. ``aliases``: further names of the container in it.
        :raises AlreadyExists: it is in it, or an address is in use.
        :raises InvalidState: the container has no network of its own (``--network host``).
        """
        container.connect(self.name, addresses=addresses, mac=mac, aliases=aliases, cancel=cancel)

    def disconnect(self, container: Connectable, *, cancel: Cancel | None = None) -> None:
        """Take a container out of it, live where that runs.

        :raises NotFound: it is not in it.
        """
        container.disconnect(self.name, cancel=cancel)

    def inspect(self) -> dict[str, object]:
        """Everything about it, under podman's keys (``podman network inspect``); JSON-ready. ``containers``: those that run."""
        network = self._row.network
        return {
            "name": self.name, "id": self.id, "driver": self.driver, "network_interface": network.interface,
            "created": rfc3339(self.created), "subnets": [_subnet(one) for one in network.subnets],
            "ipv6_enabled": network.ipv6 or any(":" in one.subnet for one in network.subnets), "internal": network.internal,
            "dns_enabled": self._row.dns, "labels": dict(self._row.labels), "options": dict(network.options),
            "ipam_options": {"driver": "host-local"}, "plugin": self._row.plugin, "containers": self._containers(),
        }

    def _containers(self) -> dict[str, object]:
        with self._means.index.read() as connection:
            inside = rows.of_network(connection, self.name)
        return {one.container: {"name": one.result.name, "interfaces": {one.wish.interface: {
            "subnets": [{"ipnet": address} for address in one.result.joined.addresses], "mac_address": one.result.joined.mac}}}
            for one in inside if one.result is not None and one.result.joined is not None}


def _subnet(one: Subnet) -> dict[str, object]:
    shown: dict[str, object] = {"subnet": one.subnet}
    if one.gateway:
        shown["gateway"] = one.gateway
    if one.first or one.last:
        shown["lease_range"] = {"start_ip": one.first, "end_ip": one.last}
    return shown
