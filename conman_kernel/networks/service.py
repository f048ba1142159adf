"""The networks of one store: make, find, list, remove."""

from __future__ import annotations

import os
import time
from typing import Mapping, Sequence

from ..cancel import Cancel
from ..errors import AlreadyExists, InvalidInput, NotFound, PluginNotInstalled
from ..slots.network import DefineRequest, RemoveRequest, Subnet
from ..slots.network import Network as Definition
from . import rows
from .means import BRIDGE, MODES, Means
from .network import Network
from .rows import NetworkRow

_LONGEST_NAME = 128


class Networks:
    """The networks of one store. Thread-safe; makes nothing before the first call."""

    def __init__(self, means: Means) -> None:
        self._means = means

    @property
    def means(self) -> Means:
        """What this service works with; for the kernel's own further layers."""
        return self._means

    def create(self, name: str = "", *, driver: str = "", subnets: Sequence[Subnet] = (), interface: str = "",
               internal: bool = False, ipv6: bool = False, options: Mapping[str, str] | None = None,
               labels: Mapping[str, str] | None = None, dns: bool = True, cancel: Cancel | None = None) -> Network:
        """Make a network. On the host nothing is made before the first container joins it.

        :param name: empty: one is made up. ``driver``: empty: the plugin's first, ``bridge``.
        :param subnets: none: the plugin picks one that is free. ``ipv6``: and one of IPv6.
        :param interface: the host's interface; empty: the plugin's choice. ``internal``: no way out, no published ports.
        :param options: of the driver, such as ``mtu``. ``dns``: its containers find each other by name.
        :raises AlreadyExists: the name, a subnet or the interface is taken; the message names by whom.
        :raises InvalidInput: an unknown driver or option, a subnet that is none, an address outside it.
        :raises Unavailable: there are no network plugins, or no subnet is free.
        """
        if name:
            check_network_name(name)
        wanted = Definition(name, os.urandom(32).hex(), driver, tuple(subnets), interface, internal, ipv6,
                            tuple(sorted((options or {}).items())))
        return self._made(wanted, tuple(sorted((labels or {}).items())), cancel or Cancel(), dns=dns)

    def _made(self, wanted: Definition, labels: tuple[tuple[str, str], ...], cancel: Cancel, *, dns: bool) -> Network:
        means = self._means
        plugin = means.config.text("network.name")
        chosen = means.driver()
        with means.lock_networks():
            with means.index.read() as connection:
                known = rows.select(connection)
            taken = {row.network.name for row in known}
            if wanted.name in taken:
                raise AlreadyExists(f"network name {wanted.name} already used: network already exists",
                                    hint=f"conman network rm {wanted.name}, or choose another name")
            if not wanted.name:
                wanted = wanted._replace(name=next(n for n in (f"conman{i}" for i in range(1, len(taken) + 2)) if n not in taken))
            wanted = wanted._replace(driver=wanted.driver or chosen.drivers[0])
            made = chosen.define(DefineRequest(wanted, tuple(row.network for row in known), cancel))
            row = NetworkRow(made, plugin, time.time(), labels, dns)
            with means.index.write() as connection:
                rows.insert(connection, row)
        means.tell("network", "create", made.id, made.name, attributes=(("type", made.driver),))
        return Network(means, row)

    def ensure(self, name: str, cancel: Cancel) -> NetworkRow:
        """The network of that name; the default one (``bridge``) is made where it is not there.

        :raises NotFound: there is none.
        :raises ConmanError: as :meth:`create`, of the default one.
        """
        with self._means.index.read() as connection:
            try:
                return rows.find(connection, name)
            except NotFound:
                if name != BRIDGE:
                    raise
        try:
            self.create(BRIDGE, cancel=cancel)
        except AlreadyExists:  # another command was faster; else the look below says what is wrong
            with self._means.index.read() as connection:
                if rows.by_name(connection, BRIDGE) is None:
                    raise
        with self._means.index.read() as connection:
            return rows.find(connection, BRIDGE)

    def get(self, name_or_id: str) -> Network:
        """A network by name, id, or the beginning of an id.

        :raises NotFound: there is none. :raises InvalidState: several ids begin so.
        """
        with self._means.index.read() as connection:
            return Network(self._means, rows.find(connection, name_or_id))

    def exists(self, name_or_id: str) -> bool:
        """Whether there is such a network."""
        try:
            self.get(name_or_id)
        except NotFound:
            return False
        return True

    def list(self, *, filters: Sequence[tuple[str, str]] = ()) -> list[Network]:
        """Networks, by name.

        :param filters: podman's keys and values: ``dangling driver id label name until``. Values of one key are alternatives,
            all keys must hold; every ``label`` must, too.
        :raises InvalidInput: an unknown filter.
        """
        with self._means.index.read() as connection:
            found = [Network(self._means, row) for row in rows.select(connection)]
        if not filters:
            return found
        from .filters import build

        test = build(filters)
        return [network for network in found if test(network)]

    def remove(self, name_or_id: str, *, cancel: Cancel | None = None) -> str:
        """Remove a network that no container is in, with what the host has of it.

        :returns: its name.
        :raises NotFound: there is none.
        :raises InvalidState: containers, running or not, are in it.
        """
        means = self._means
        with means.lock_networks():
            with means.index.read() as connection:
                row = rows.find(connection, name_or_id)
                if rows.users(connection, row.network.name):
                    raise rows.in_use(connection, row.network.name)
            try:
                means.driver(row.plugin).remove(RemoveRequest(row.network, cancel or Cancel()))
            except PluginNotInstalled as error:
                means.log.warning("network %s: its interface stays behind on the host: %s", row.network.name, error)
            with means.index.write() as connection:
                rows.delete(connection, row.network.name)
        means.tell("network", "remove", row.network.id, row.network.name, attributes=(("type", row.network.driver),))
        return row.network.name

    def prune(self, *, filters: Sequence[tuple[str, str]] = (), cancel: Cancel | None = None) -> tuple[str, ...]:
        """Remove every network that no container is in, but the default one.

        :param filters: ``label``, ``until``, as in :meth:`list`; ``label!`` leaves those with that label.
        :returns: their names.
        :raises InvalidInput: another filter.
        """
        for key, _ in filters:
            if key not in ("label", "label!", "until"):
                raise InvalidInput(f'"{key}" is an invalid network prune filter', hint="filters: label, label!, until")
        gone = []
        for network in self.list(filters=(*filters, ("dangling", "true"))):
            if network.name in (BRIDGE, self._means.default_name):
                continue
            gone.append(self.remove(network.name, cancel=cancel))
        return tuple(gone)


def check_network_name(name: str) -> None:
    """:raises InvalidInput: it is no name for a network."""
    plain = name.replace("_", "").replace(".", "").replace("-", "")
    if name in MODES:
        raise InvalidInput(f"invalid network name {name!r}: the word means something else with --network")
    if not plain.isalnum() or not plain.isascii() or not name[0].isalnum() or len(name) > _LONGEST_NAME:
        raise InvalidInput(f"network name {name} invalid: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument")
