"""What a caller says about networks, completed when a container is made: which networks, which ports of the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Sequence

from ..errors import InvalidInput, NotFound
from ..networks.rows import Wish
from ..oci.runtime.options import ContainerOptions, NetworkOption, PublishedPort
from ..slots.network import Port
from .bundle import network_mode
from .context import Context

if TYPE_CHECKING:
    from ..cancel import Cancel

_PROTOCOLS = ("tcp", "udp", "sctp")


def completed(context: Context, options: ContainerOptions, exposed: Sequence[str], cancel: Cancel) -> ContainerOptions:
    """The options as they are recorded: mode, networks by their names, every port of the host chosen.

    :param exposed: the image's ports, ``8080/tcp``.
    :raises NotFound: there is no such network.
    :raises InvalidInput: words that contradict each other.
    :raises ConmanError: the default network is to be made, and cannot be.
    """
    mode = network_mode(context, options)
    if mode != "bridge":
        if options.networks:
            raise InvalidInput(f"a container with the network mode {mode!r} cannot be in named networks, too",
                               hint="leave one of the two out")
        return options._replace(network=mode, ports=_without_network(context, mode, options), publish_all=False)
    service = context.networks
    wanted = options.networks or (NetworkOption(service.means.default_name),)
    named, subnets = [], []
    for one in wanted:
        row = service.ensure(one.name, cancel)
        named.append(one._replace(name=row.network.name))
        subnets.append(row.network.subnets)
    _check(named)
    for one, ranges in zip(named, subnets, strict=True):
        check_addresses(one, [subnet.subnet for subnet in ranges])
    return options._replace(network="bridge", networks=tuple(named), ports=_chosen(options, exposed))


def explained(context: Context, options: ContainerOptions) -> list[tuple[str, str]]:
    """What :func:`completed` would choose, in words, for ``--explain``; nothing is made.

    :raises NotFound: there is no such network.
    """
    from ..networks.means import BRIDGE
    from ..networks.ports import shown
    from ..networks.rows import find

    words = []
    for one in options.networks or (NetworkOption(context.networks.means.default_name),):
        with context.index.read() as connection:
            try:
                row = find(connection, one.name)
            except NotFound:
                if one.name != BRIDGE:
                    raise
                words.append(("network", f"{one.name}, which is made first"))
                continue
        ranges = ", ".join(subnet.subnet for subnet in row.network.subnets)
        wished = f", as {', '.join(one.addresses)}" if one.addresses else ""
        words.append(("network", f"{row.network.name} ({row.network.driver} of {row.plugin}, {ranges}){wished}"))
    for port in options.ports:
        place = shown(Port(port.host_address, port.host_port, 0, port.protocol)).partition("/")[0]
        where = place if port.host_port else f"{place.rpartition(':')[0]}, a free port"
        words.append(("port", f"{where} leads to {port.container_port}/{port.protocol}"))
    return words


def wishes(options: ContainerOptions) -> list[tuple[str, Wish]]:
    """The memberships of a container that is being made, from its completed options."""
    taken = {one.interface for one in options.networks if one.interface}
    free = (name for name in (f"eth{number}" for number in range(len(options.networks) + len(taken))) if name not in taken)
    return [(one.name, Wish(position, one.interface or next(free), one.addresses, one.mac, one.aliases))
            for position, one in enumerate(options.networks)]


def slot_ports(options: ContainerOptions) -> tuple[Port, ...]:
    """The published ports, as the slot has them."""
    return tuple(Port(p.host_address, p.host_port, p.container_port, p.protocol) for p in options.ports)


def _without_network(context: Context, mode: str, options: ContainerOptions) -> tuple[PublishedPort, ...]:
    if not options.ports:
        return ()
    if mode == "host":
        context.log.warning("published ports are discarded: the container uses the host's network, and its ports are the host's")
        return ()
    if mode.startswith("container:"):
        raise InvalidInput("conflicting options: port publishing and the container type network mode",
                           hint="publish the ports of the container whose network it joins")
    raise InvalidInput(f"cannot publish ports of a container with --network {mode}", hint="use a named network, such as bridge")


def _check(networks: Sequence[NetworkOption]) -> None:
    interfaces = [one.interface for one in networks if one.interface]
    for what, values in (("network", [one.name for one in networks]), ("interface", interfaces)):
        twice = next((value for value in values if values.count(value) > 1), "")
        if twice:
            raise InvalidInput(f"{what} {twice} is named twice")


def check_addresses(one: NetworkOption, subnets: Sequence[str]) -> None:
    """An address outside the network is refused before anything is made; that it is free is seen at the start."""
    if not one.addresses:
        return
    import ipaddress

    ranges = [ipaddress.ip_network(text) for text in subnets]
    for address in one.addresses:
        if not any(ipaddress.ip_address(address) in known for known in ranges):
            raise InvalidInput(f"requested static ip {address} not in any subnet on network {one.name}",
                               hint=f"its subnets: {', '.join(subnets)}")


def _chosen(options: ContainerOptions, exposed: Sequence[str]) -> tuple[PublishedPort, ...]:
    ports = list(options.ports)
    if options.publish_all:
        known = {(port.container_port, port.protocol) for port in ports}
        ports += [port for text in dict.fromkeys((*exposed, *options.expose)) for port in exposed_ports(text)
                  if (port.container_port, port.protocol) not in known]
    taken: set[tuple[str, int, str]] = set()
    for number, port in enumerate(ports):
        if not port.host_port:
            ports[number] = port = _with_free_port(port, taken)
        key = (port.host_address, port.host_port, port.protocol)
        if key in taken:
            raise InvalidInput(f"conflicting port mappings for host port {port.host_port} (protocol {port.protocol})",
                               hint="publish each port of the host once")
        taken.add(key)
    return tuple(ports)


def _with_free_port(port: PublishedPort, taken: set[tuple[str, int, str]]) -> PublishedPort:
    from ..networks.ports import free_port

    while True:
        chosen = port._replace(host_port=free_port(port.host_address, port.protocol))
        if (chosen.host_address, chosen.host_port, chosen.protocol) not in taken:
            return chosen


def exposed_ports(text: str) -> list[PublishedPort]:
    """``8080``, ``8080/udp``, ``8000-8010/tcp``: what an image's EXPOSE and ``--expose`` say.

    :raises InvalidInput: it is none of these.
    """
    span, _, protocol = text.partition("/")
    first, dash, last = span.partition("-")
    words = (first, last if dash else first)
    numbers = [int(word) if word.isascii() and word.isdigit() and len(word) < 6 else 0 for word in words]
    if (protocol or "tcp").lower() not in _PROTOCOLS or not 0 < numbers[0] <= numbers[1] <= 65535:
        raise InvalidInput(f"invalid port {text!r}: PORT[-PORT][/tcp|udp|sctp]")
    return [PublishedPort(number, protocol=(protocol or "tcp").lower()) for number in range(numbers[0], numbers[1] + 1)]
