"""The words of ``network create``, shared with the library: subnets, gateways, ranges."""

from __future__ import annotations

import ipaddress
from typing import Sequence

from ..errors import InvalidInput
from ..slots.network import Subnet

_Net = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def subnets(texts: Sequence[str], *, gateways: Sequence[str] = (), ranges: Sequence[str] = ()) -> tuple[Subnet, ...]:
    """``--subnet``, each with the ``--gateway`` and the ``--ip-range`` that lie in it.

    :param ranges: in CIDR form, or ``FIRST-LAST``.
    :raises InvalidInput: one is none; a gateway or a range lies in no subnet, or two lie in one.
    """
    nets = [_subnet(text) for text in texts]
    if not nets and (gateways or ranges):
        raise InvalidInput("cannot set gateway or range without subnet", hint="give --subnet, too")
    found = [Subnet(str(net)) for net in nets]
    for text in gateways:
        number = _home(nets, [_address(text)], f"gateway {text}")
        if found[number].gateway:
            raise InvalidInput(f"two gateways for subnet {nets[number]}: {found[number].gateway} and {text}")
        found[number] = found[number]._replace(gateway=str(_address(text)))
    for text in ranges:
        first, last = _range(text)
        number = _home(nets, [first, last], f"lease range {text}")
        if found[number].first:
            raise InvalidInput(f"two ranges for subnet {nets[number]}")
        found[number] = found[number]._replace(first=str(first), last=str(last))
    return tuple(found)


def _subnet(text: str) -> _Net:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInput(f"invalid CIDR address: {text}", hint="a subnet is such as 10.89.0.0/24") from None


def _address(text: str) -> _Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise InvalidInput(f"invalid ip address: {text}") from None


def _range(text: str) -> tuple[_Address, _Address]:
    first, dash, last = text.partition("-")
    if dash:
        return _address(first), _address(last)
    net = _subnet(text)
    if net.num_addresses < 4:
        return net[0], net[-1]
    return net[1], net[-2] if net.version == 4 else net[-1]


def _home(nets: Sequence[_Net], addresses: Sequence[_Address], what: str) -> int:
    for number, net in enumerate(nets):
        if all(address in net for address in addresses):
            return number
    raise InvalidInput(f"{what} not in subnet {', '.join(str(net) for net in nets)}")
