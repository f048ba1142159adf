"""One join: the CNI plugins are added one after the other, rules and ports beside and after them; whole or absent."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Callable, Mapping, Sequence, cast

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, ConmanError, InvalidInput, Unavailable
from conman_kernel.record import Record
from conman_kernel.slots.network import Joined, JoinRequest, Network, Port

from . import conf, invoke, leases, look, macs, netlink, rules
from .invoke import Json, Place
from .tables import Tables

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log

SECOND = 2048
"""The metric of default routes that wait for their turn, and the interface's number; above 1024, which is IPv6's usual one."""

UNDO_SECONDS = 20.0
"""How long it may take to give back what a failed join has got."""


class Means(Record):
    """What the plugin works with.

    :param folders: where the CNI plugins lie. ``leases``, ``macs``: folders, see :mod:`.leases` and :mod:`.macs`.
    :param firewalld: asks whether it must be told of addresses. ``log``: where to report.
    :param hold: a descriptor for programs to hold, see :mod:`.turns`.
    """

    folders: tuple[str, ...]
    leases: str
    macs: str
    tables: Tables
    firewalld: Callable[[], bool]
    log: Log
    hold: int = -1

    def leases_of(self, network: Network) -> str:
        """The folder with the addresses of one network."""
        return leases.folder_of(self.leases, network.id)

    def macs_of(self, network: Network) -> str:
        """The folder with the mac addresses of one network that were wished for."""
        return f"{self.macs}/{network.id}"


class Kept(Record):
    """What :meth:`~conman_kernel.slots.network.Joined.state` says: what a DEL needs.

    :param confs: of the plugins that were added. ``result``: of the last one.
    :param addresses: of the container, without prefixes.
    """

    confs: tuple[Json, ...]
    result: Json | None
    addresses: tuple[str, ...] = ()

    def text(self) -> str:
        """As it is kept."""
        return json.dumps({"version": 1, "confs": self.confs, "result": self.result, "addresses": self.addresses},
                          separators=(",", ":"))


def versions(network: Network) -> tuple[int, ...]:
    """The versions of IP that a network has."""
    return tuple(sorted({conf.version(subnet.subnet) for subnet in network.subnets}))


def place_of(means: Means, request: JoinRequest) -> Place:
    """The interface that is meant."""
    return Place(request.container, request.namespace, request.interface, request.network.name, means.hold)


def check_ports(network: Network, ports: Sequence[Port]) -> None:
    """Refuse ports that cannot be published. :raises InvalidInput: why."""
    if not ports:
        return
    if network.internal:
        raise InvalidInput(f"network {network.name} is internal: no port can be published in it")
    if network.driver != "bridge":
        raise InvalidInput(f"network {network.name} is a {network.driver}: no port can be published in it",
                           hint="its containers have addresses in the host's own network")
    for port in ports:
        if port.protocol not in ("tcp", "udp", "sctp"):
            raise InvalidInput(f"a port of {port.protocol!r} cannot be published", hint="there are tcp, udp and sctp")
        if not 0 < port.host_port < 65536 or not 0 < port.container_port < 65536:
            raise InvalidInput(f"port {port.host_port}:{port.container_port} is none: they go from 1 to 65535")
        if port.host_address:
            _check_address(network, port)


def _check_address(network: Network, port: Port) -> None:
    import ipaddress

    try:
        address = ipaddress.ip_address(port.host_address)
    except ValueError:
        raise InvalidInput(f"the host's address {port.host_address[:60]!r} of port {port.host_port} is none") from None
    if address.version not in versions(network):
        raise InvalidInput(f"port {port.host_port} on {address}: network {network.name} has no IPv{address.version}")
    if address.version == 6 and address.is_loopback:
        raise InvalidInput(f"port {port.host_port} cannot be published on {address}: Linux forwards nothing from there",
                           hint="publish it on 127.0.0.1")


def check_interface(network: Network) -> netlink.Link | None:
    """The host's side, where it is there. :raises AlreadyExists: it is something else than this network's bridge."""
    if network.driver != "bridge":
        return None
    found = netlink.link(network.interface)
    if found is None:
        return None
    if found.kind != "bridge" or (found.alias.startswith("conman ") and found.alias != alias(network)):
        whose = f"of {found.alias}" if found.alias.startswith("conman ") else f"a {found.kind or 'device'}, and not of conman"
        raise AlreadyExists(f"network {network.name}: the host's interface {network.interface} is {whose}")
    return found


def alias(network: Network) -> str:
    """The label of a network's bridge."""
    return f"conman network {network.id}"


def join(means: Means, request: JoinRequest, addresses: tuple[str, ...], mac: str) -> Joined:
    """See the slot. What is asked for is checked by now."""
    network, cancel = request.network, request.cancel
    cancel.check()
    link = check_interface(network)
    inside = look.inside(request.namespace)
    if request.interface in inside.interfaces:
        raise AlreadyExists(f"network {network.name}: the container has an interface {request.interface} already")
    defaults = tuple(ip for ip in versions(network) if ip not in inside.defaults)
    chain = conf.chain(network, means.leases, conf.Wish(addresses, mac, defaults), firewalld=means.firewalld())
    claimed = bool(mac) and macs.claim(means.macs_of(network), request, mac)
    done: list[Json] = []
    try:
        result = _add(means, request, chain, done)
        if network.driver == "bridge" and (link is None or not link.alias):
            _label(network)
        found = _addresses(result)
        plain = tuple(address.partition("/")[0] for address in found)
        _second_way(request, inside)
        _open(means, request, plain)
    except AlreadyExists:
        _undo(means, request, done, mac if claimed else "")
        if addresses:
            _tell_holder(means, network, addresses)
        raise
    except BaseException:
        _undo(means, request, done, mac if claimed else "")
        raise
    kept = Kept(tuple(chain), result, plain)
    gateways = () if network.internal else tuple(subnet.gateway for subnet in network.subnets if subnet.gateway)
    return Joined(found, gateways, _mac(result, request.interface), kept.text())


def _add(means: Means, request: JoinRequest, chain: Sequence[Json], done: list[Json]) -> Json:
    """Add the plugins in order, and have the network's rules checked beside the first, where no ports wait for its result."""
    network, cancel, place = request.network, request.cancel, place_of(means, request)
    beside = {} if request.ports else {ip: means.tables.begin(ip, rules.of_network(network, ip)) for ip in _ruled(network)}
    result: Json | None = None
    try:
        for one in chain:
            running = invoke.start("ADD", one, place, means.folders, result)
            done.append(one)
            result = invoke.add(running, one, place, cancel)
        for ip in list(beside):
            means.tables.finish(beside.pop(ip), ip, rules.of_network(network, ip), (), cancel)
    finally:
        for left in beside.values():
            left.kill()
    assert result is not None
    return result


def _second_way(request: JoinRequest, inside: look.Table) -> None:
    """Where another network is the way out already, this one becomes it when that one has left."""
    network = request.network
    given = [subnet.gateway for subnet in network.subnets if subnet.gateway]
    gateways = [gateway for gateway in given if conf.version(gateway) in inside.defaults]
    if network.internal or not gateways:
        return

    def add() -> None:
        for gateway in gateways:
            netlink.add_default(request.interface, gateway, SECOND)

    look.within(request.namespace, add)


def _ruled(network: Network) -> tuple[int, ...]:
    return versions(network) if network.driver == "bridge" else ()


def _open(means: Means, request: JoinRequest, addresses: Sequence[str]) -> None:
    """Publish the ports."""
    if not request.ports:
        return
    network, cancel = request.network, request.cancel
    for ip in versions(network):
        wanted = rules.of_network(network, ip)
        lines = rules.publish(network, request.container, request.interface, request.ports, addresses, ip)
        means.tables.finish(means.tables.begin(ip, wanted, lines), ip, wanted, lines, cancel)
        udp = frozenset(port.host_port for port in request.ports if port.protocol == "udp") if lines else frozenset()
        if udp:
            netlink.forget_udp(udp, version=ip)
        if lines and ip == 4:
            _set(f"/proc/sys/net/ipv4/conf/{network.interface}/route_localnet", "1")


def _undo(means: Means, request: JoinRequest, done: Sequence[Json], mac: str) -> None:
    """Give back what a failed join has got, the last first. What cannot be given back now is left to ``leave``.

    :param mac: that was taken for it; empty: none.
    """
    with Cancel(UNDO_SECONDS) as cancel:
        if request.ports and done:
            _attempt(means, request, lambda: close_ports(means, request, versions(request.network), cancel))
        for one in reversed(done):
            _attempt(means, request, partial(invoke.delete, one, place_of(means, request), means.folders, cancel))
    leases.sweep(means.leases_of(request.network))
    if mac:
        macs.release(means.macs_of(request.network), request, mac)


def _attempt(means: Means, request: JoinRequest, part: Callable[[], None]) -> None:
    try:
        part()
    except ConmanError as error:
        means.log.warning("what container %s had in network %s cannot be given back now: %s", request.container[:12],
                          request.network.name, error.message)


def close_ports(means: Means, request: JoinRequest, ips: Sequence[int], cancel: Cancel) -> None:
    """Take a container's ports back. :raises Unavailable: iptables refuses."""
    network = request.network
    lines = rules.unpublish(network, request.container, request.interface)
    for ip in ips:
        means.tables.remove_ports(ip, lines, rules.chain_of(network, request.container, request.interface), cancel)


def _label(network: Network) -> None:
    made = netlink.link(network.interface)
    if made is not None and not made.alias:
        netlink.label(made.number, alias(network))


def _tell_holder(means: Means, network: Network, addresses: tuple[str, ...]) -> None:
    """Say who has the address that is wished for.

    :raises AlreadyExists: with the container's id.
    """
    for address in addresses:
        holder = leases.holder(means.leases_of(network), address)
        if holder:
            raise AlreadyExists(f"address {address} of network {network.name} is in use by container {holder[:12]}") from None


def _addresses(result: Json) -> tuple[str, ...]:
    """With prefixes (specification, section 5: ``ips``). :raises Unavailable: there is none."""
    ips = result.get("ips")
    several = cast("list[Mapping[str, object]]", ips if isinstance(ips, list) else [])
    found = tuple(str(one["address"]) for one in several if isinstance(one, dict) and "address" in one)
    if not found:
        raise Unavailable("the CNI plugins gave the container no address")
    return found


def _mac(result: Json, interface: str) -> str:
    """Of the interface inside (specification, section 5: ``interfaces``)."""
    several = result.get("interfaces")
    for one in several if isinstance(several, list) else ():
        if isinstance(one, dict) and one.get("name") == interface and one.get("sandbox"):
            return str(one.get("mac", ""))
    return ""


def _set(path: str, value: str) -> None:
    try:
        with open(path, encoding="ascii") as file:
            if file.read().strip() == value:
                return
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        raise Unavailable(f"cannot set {path} to {value}: {(error.strerror or '').lower()}") from None
