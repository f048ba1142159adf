"""A network as configurations of CNI plugins, in the order in which they are added.

Sources: CNI specification 1.0.0, section 1 (Network configuration format); the plugins' own pages (bridge, macvlan, ipvlan,
host-local, firewall) at https://www.cni.dev/plugins/current/.
"""

from __future__ import annotations

from typing import Mapping

from conman_kernel.record import Record
from conman_kernel.slots.network import Network, Subnet

from .invoke import VERSION, Json

_DEFAULTS = {4: "0.0.0.0/0", 6: "::/0"}


class Wish(Record):
    """What one container asks for.

    :param addresses: wished for. ``mac``: likewise; empty: any.
    :param defaults: versions of IP (4, 6) of which it gets a default route through this network.
    """

    addresses: tuple[str, ...] = ()
    mac: str = ""
    defaults: tuple[int, ...] = ()


def version(text: str) -> int:
    """4 or 6, of an address or a subnet."""
    return 6 if ":" in text else 4


def option(network: Network, name: str) -> str:
    """An option's value; empty: it is not set."""
    return dict(network.options).get(name, "")


def chain(network: Network, leases: str, wish: Wish, *, firewalld: bool) -> list[Json]:
    """The plugins of one join.

    :param leases: the folder in which host-local keeps who has which address.
    :param firewalld: it must be told of the addresses.
    """
    runtime: dict[str, object] = {}
    if wish.addresses:
        runtime["ips"] = list(wish.addresses)
    if wish.mac:
        runtime["mac"] = wish.mac
    first: dict[str, object] = {
        "cniVersion": VERSION, "name": network.id, "type": network.driver, "ipam": _ipam(network, leases, wish),
        **({"runtimeConfig": runtime} if runtime else {})}
    if option(network, "mtu"):
        first["mtu"] = int(option(network, "mtu"))
    if network.driver == "bridge":
        first.update(_bridge(network))
    else:
        first["master"] = network.interface
        if option(network, "mode"):
            first["mode"] = option(network, "mode")
    several: list[Json] = [first]
    if firewalld and network.driver == "bridge":
        several.append({"cniVersion": VERSION, "name": network.id, "type": "firewall", "backend": "firewalld"})
    return several


def _bridge(network: Network) -> Mapping[str, object]:
    """Masquerading is left to :mod:`.rules`: the plugin's own takes a dozen programs for each container.

    Without a gateway's address the host is no part of the network.
    """
    gateway = any(subnet.gateway for subnet in network.subnets)
    made: dict[str, object] = {"bridge": network.interface, "isGateway": gateway, "ipMasq": False, "hairpinMode": True,
                               "forceAddress": False}
    if option(network, "vlan"):
        made["vlan"] = int(option(network, "vlan"))
    return made


def _ipam(network: Network, leases: str, wish: Wish) -> Mapping[str, object]:
    wished = _subnets_of(wish.addresses, network) if wish.addresses else frozenset()
    made: dict[str, object] = {"type": "host-local", "dataDir": leases,
                               "ranges": [[_range(subnet, whole=subnet.subnet in wished)] for subnet in network.subnets]}
    if not network.internal and wish.defaults:
        made["routes"] = [{"dst": _DEFAULTS[one]} for one in wish.defaults]
    return made


def _range(subnet: Subnet, *, whole: bool) -> Mapping[str, str]:
    """The range that is given out by itself; what is wished for may lie anywhere in the subnet, which host-local must be told."""
    made = {"subnet": subnet.subnet, "gateway": subnet.gateway}
    if not whole:
        made.update(rangeStart=subnet.first, rangeEnd=subnet.last)
    return {name: value for name, value in made.items() if value}


def _subnets_of(addresses: tuple[str, ...], network: Network) -> frozenset[str]:
    from ipaddress import ip_address, ip_network

    found = [ip_address(address) for address in addresses]
    return frozenset(subnet.subnet for subnet in network.subnets if any(one in ip_network(subnet.subnet) for one in found))
