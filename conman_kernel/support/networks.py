"""Plans of networks: subnets that are free, gateways, ranges, names of interfaces; what every network plugin's ``define`` asks.

::

    def define(self, request):
        return plan(request, OFFERS, Host(routes=..., interfaces=...))

Pure: what the host has is given. Sources: RFC 1918 and RFC 4193 (which addresses are private), the kernel's dev_valid_name().
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Callable, Iterator, Mapping

from ..errors import AlreadyExists, InvalidInput, Unavailable
from ..record import Record
from ..slots.network import DefineRequest, Network, Subnet

AnyNetwork = IPv4Network | IPv6Network
AnyAddress = IPv4Address | IPv6Address

DEFAULT = "bridge"
"""The network that the kernel makes for containers that name none."""

DEFAULT_SUBNET = "10.88.0.0/16"
"""What :data:`DEFAULT` gets, as podman's own default network, where it is free."""

LONGEST_NAME = 15
"""Bytes of an interface's name."""

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_RESERVED = frozenset(("lo", "all", "default"))
_MOST_SUBNETS = 32
_TRIES = 64


class Route(Record):
    """A route of the host, other than its default ones: subnet and interface."""

    subnet: str
    interface: str


class Host(Record):
    """What the host has already.

    :param routes: its routes. ``interfaces``: names of all of its interfaces.
    :param default: the interface of its default route; empty: it has none.
    """

    routes: tuple[Route, ...] = ()
    interfaces: tuple[str, ...] = ()
    default: str = ""


class Offer(Record):
    """What a plugin offers for one kind of network.

    :param options: name -> what checks its value: returns it as it is to be kept, or raises ValueError with what it must be.
    :param bridge: the interface is the network's own, made and removed with it. Otherwise it is one of the host's, and must be
        there.
    :param one_each: at most one subnet of IPv4, and one of IPv6.
    """

    options: Mapping[str, Callable[[str], str]]
    bridge: bool = True
    one_each: bool = False


def plan(request: DefineRequest, offers: Mapping[str, Offer], host: Host, *, prefix: str = "conman") -> Network:
    """Check what was asked for, and fill in the rest.

    :param offers: by driver; the first is the default.
    :param prefix: how names of bridges begin.
    :raises InvalidInput, AlreadyExists, Unavailable: see :meth:`conman_kernel.slots.network.NetworkDriver.define`.
    """
    wanted = request.wanted
    driver = wanted.driver or next(iter(offers))
    if driver not in offers:
        raise InvalidInput(f"network {wanted.name}: there is no driver {_shown(driver)}", hint=_nearest(driver, list(offers)))
    options = _options(wanted, driver, offers[driver])
    interface = _interface(request, host, offers[driver], prefix)
    if wanted.subnets:
        subnets = tuple(_asked(subnet, wanted) for subnet in wanted.subnets)
        _apart(subnets, request, host, interface)
        versions = [ip_network(subnet.subnet).version for subnet in subnets]
        if offers[driver].one_each and len(set(versions)) < len(versions):
            raise InvalidInput(f"network {wanted.name}: a {driver} has one subnet of IPv4 at most, and one of IPv6")
    else:
        subnets = tuple(_filled(subnet, wanted.internal) for subnet in _picked(request, host))
    return wanted._replace(driver=driver, subnets=subnets, interface=interface, options=options)


def addresses(network: Network, wished: tuple[str, ...]) -> tuple[str, ...]:
    """Check the addresses that a container asks for; as they are written usually.

    :raises InvalidInput: one is none, lies outside the subnets, is the gateway's, or there are two for one subnet.
    """
    found: dict[str, str] = {}
    for text in wished:
        address = _address(text, f"network {network.name}: the address")
        subnet = next((one for one in network.subnets if address in ip_network(one.subnet)), None)
        if subnet is None:
            raise InvalidInput(f"address {address} is outside of network {network.name}",
                               hint=f"its subnets: {', '.join(one.subnet for one in network.subnets)}")
        whole = ip_network(subnet.subnet)
        if subnet.gateway and address == ip_address(subnet.gateway):
            raise InvalidInput(f"address {address} is the gateway of network {network.name}")
        if address == whole.network_address or (whole.version == 4 and address == whole.broadcast_address):
            raise InvalidInput(f"address {address} is no container's: the subnet {whole} keeps it for itself")
        if subnet.subnet in found:
            raise InvalidInput(f"addresses {found[subnet.subnet]} and {address} are both in {subnet.subnet} "
                               f"of network {network.name}")
        found[subnet.subnet] = str(address)
    return tuple(found.values())


def mac_address(text: str) -> str:
    """A mac address that an interface may have, in lower case; empty stays empty.

    :raises InvalidInput: it is none, or one of a group.
    """
    lower = text.lower().replace("-", ":")
    if not lower:
        return ""
    if not _MAC.fullmatch(lower) or int(lower[:2], 16) & 1 or lower == "00:00:00:00:00:00":
        raise InvalidInput(f"{_shown(text)} is no mac address of an interface",
                           hint="such as 92:d0:c6:0a:29:33; the first number is even")
    return lower


def number(lowest: int, highest: int) -> Callable[[str], str]:
    """Checks an option's value that is a whole number."""
    def check(value: str) -> str:
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or not lowest <= int(value) <= highest:
            raise ValueError(f"a number from {lowest} to {highest}")
        return str(int(value))

    return check


def switch(value: str) -> str:
    """Checks an option's value that is yes or no."""
    found = {"true": "true", "1": "true", "false": "false", "0": "false"}.get(value.lower())
    if found is None:
        raise ValueError("true or false")
    return found


def one_of(*values: str) -> Callable[[str], str]:
    """Checks an option's value that is one of some words."""
    def check(value: str) -> str:
        if value not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return value

    return check


def _options(wanted: Network, driver: str, offer: Offer) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for name, value in wanted.options:
        if name not in offer.options:
            raise InvalidInput(f"network {wanted.name}: {driver} has no option {_shown(name)}",
                               hint=_nearest(name, list(offer.options)))
        if name in found:
            raise InvalidInput(f"network {wanted.name}: the option {name} is given twice")
        try:
            found[name] = offer.options[name](value)
        except ValueError as error:
            raise InvalidInput(f"network {wanted.name}: {name} must be {error}, not {_shown(value)}") from None
    return tuple(found.items())


def _interface(request: DefineRequest, host: Host, offer: Offer, prefix: str) -> str:
    wanted = request.wanted
    owners = {other.interface: other.name for other in request.others if other.interface}
    name = wanted.interface
    if not name:
        if not offer.bridge and not host.default:
            raise InvalidInput(f"network {wanted.name}: a {wanted.driver} needs an interface of the host, which has no default "
                               "route", hint="name one as its interface")
        if not offer.bridge:
            return host.default
        taken = {*owners, *host.interfaces}
        return next(free for free in (f"{prefix}{count}" for count in range(len(taken) + 1)) if free not in taken)
    if not _INTERFACE.fullmatch(name) or name in _RESERVED:
        raise InvalidInput(f"network {wanted.name}: {_shown(name)} is no name of an interface",
                           hint=f"letters, digits, dots, dashes and underscores, {LONGEST_NAME} at most")
    if not offer.bridge:
        if name not in host.interfaces:
            raise InvalidInput(f"network {wanted.name}: the host has no interface {name}", hint="ip link lists them")
        return name
    if name in owners:
        raise AlreadyExists(f"network {wanted.name}: the interface {name} is that of network {owners[name]}")
    if name in host.interfaces:
        raise AlreadyExists(f"network {wanted.name}: the host has an interface {name} already, which is no network's")
    return name


def _asked(subnet: Subnet, wanted: Network) -> Subnet:
    """What was asked for, checked, without what is to be filled in."""
    what = f"network {wanted.name}: the subnet"
    try:
        whole = ip_network(subnet.subnet, strict=False)
    except ValueError:
        raise InvalidInput(f"{what} {_shown(subnet.subnet)} is none", hint="such as 10.89.7.0/24 or fd00:7::/64") from None
    if "/" not in subnet.subnet or getattr(whole.network_address, "scope_id", None):
        raise InvalidInput(f"{what} {_shown(subnet.subnet)} has no length of its prefix, or a zone", hint="such as 10.89.7.0/24")
    if whole.prefixlen > whole.max_prefixlen - 2 or whole.prefixlen < (8 if whole.version == 4 else 16):
        raise InvalidInput(f"{what} {whole} has the wrong size: prefixes are "
                           f"{'8 to 30' if whole.version == 4 else '16 to 126'} bits long")
    first = whole.network_address
    reserved = first.is_multicast or first.is_loopback or first.is_unspecified or first.is_link_local
    if reserved or (whole.version == 4 and first.is_reserved):
        raise InvalidInput(f"{what} {whole} is not for containers: it is reserved")
    for name, text in (("gateway", subnet.gateway), ("first address", subnet.first), ("last address", subnet.last)):
        if text:
            _inside(_address(text, f"network {wanted.name}: the {name}"), whole, f"network {wanted.name}: the {name}")
    if subnet.first and subnet.last and int(ip_address(subnet.first)) > int(ip_address(subnet.last)):
        raise InvalidInput(f"network {wanted.name}: the range {subnet.first} to {subnet.last} is empty")
    normal = Subnet(str(whole), *(str(ip_address(text)) if text else "" for text in (subnet.gateway, subnet.first, subnet.last)))
    if normal.gateway and normal.gateway == normal.first == normal.last:
        raise InvalidInput(f"network {wanted.name}: the range has no address but the gateway's, {normal.gateway}")
    return _filled(normal, wanted.internal)


def _inside(address: AnyAddress, whole: AnyNetwork, what: str) -> None:
    if address not in whole:
        raise InvalidInput(f"{what} {address} is outside of the subnet {whole}")
    if address == whole.network_address or (whole.version == 4 and address == whole.broadcast_address):
        raise InvalidInput(f"{what} {address} is no host's: the subnet {whole} keeps it for itself")


def _filled(subnet: Subnet, internal: bool) -> Subnet:
    """An internal network has a gateway only where one is asked for: there is no way out."""
    if subnet.gateway or internal:
        return subnet
    return subnet._replace(gateway=str(ip_network(subnet.subnet)[1]))


def _apart(subnets: tuple[Subnet, ...], request: DefineRequest, host: Host, interface: str) -> None:
    """Refuse subnets that overlap each other, another network's, or a route of the host to elsewhere."""
    name = request.wanted.name
    if len(subnets) > _MOST_SUBNETS:
        raise InvalidInput(f"network {name}: {len(subnets)} subnets are too many; {_MOST_SUBNETS} at most")
    wholes = [ip_network(subnet.subnet) for subnet in subnets]
    for index, whole in enumerate(wholes):
        for other in wholes[:index]:
            if whole.overlaps(other):
                raise InvalidInput(f"network {name}: its subnets {other} and {whole} overlap")
    for taken, owner in _taken(request, host, interface):
        for whole in wholes:
            if whole.overlaps(taken):
                raise AlreadyExists(f"network {name}: the subnet {whole} overlaps {taken}, {owner}",
                                    hint="leave --subnet out: a free one is picked")


def _taken(request: DefineRequest, host: Host, interface: str) -> Iterator[tuple[AnyNetwork, str]]:
    for other in request.others:
        for subnet in other.subnets:
            yield ip_network(subnet.subnet, strict=False), f"of network {other.name}"
    for route in host.routes:
        whole = ip_network(route.subnet, strict=False)
        if route.interface != interface and whole.prefixlen and not whole.is_link_local and not whole.is_multicast:
            yield whole, f"which the host routes to {route.interface}"


def _picked(request: DefineRequest, host: Host) -> Iterator[Subnet]:
    taken = [whole for whole, _ in _taken(request, host, "")]
    yield Subnet(str(_free(_candidates(request.wanted.name), taken, request)))
    if request.wanted.ipv6:
        yield Subnet(str(_free(_candidates_v6(request.wanted.id), taken, request)))


def _free(candidates: Iterator[AnyNetwork], taken: list[AnyNetwork], request: DefineRequest) -> AnyNetwork:
    for candidate in candidates:
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise Unavailable(f"network {request.wanted.name}: no subnet is free", hint="give one with --subnet, or remove a network")


def _candidates(name: str) -> Iterator[AnyNetwork]:
    """As podman picks them: 10.88.0.0/16 for the default network, 10.89.0.0/24 and upwards for the others."""
    if name == DEFAULT:
        yield ip_network(DEFAULT_SUBNET)
    start, end = int(IPv4Address("10.89.0.0")), int(IPv4Address("10.255.255.0"))
    for at in range(start, end + 1, 256):
        yield IPv4Network((at, 24))


def _candidates_v6(id: str) -> Iterator[AnyNetwork]:
    """Unique local ones (RFC 4193, 3.2.2): their 40 bits come from a digest, here of the network's id."""
    from hashlib import sha256

    for count in range(_TRIES):
        bits = sha256(f"{count} {id}".encode()).digest()[:5]
        yield IPv6Network((int.from_bytes(b"\xfd" + bits + bytes(10)), 64))


def _address(text: str, what: str) -> AnyAddress:
    try:
        address = ip_address(text)
    except ValueError:
        raise InvalidInput(f"{what} {_shown(text)} is none", hint="such as 10.89.7.2 or fd00:7::2, without a prefix") from None
    if getattr(address, "scope_id", None):
        raise InvalidInput(f"{what} {_shown(text)} has a zone")
    return address


def _nearest(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}" if known else "it has none"


def _shown(text: str) -> str:
    """Somebody's words, in one short line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
