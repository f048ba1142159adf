"""The kinds of network, and what may be said of each; asked only where a network is made."""

from __future__ import annotations

from typing import Mapping

from conman_kernel.support.networks import Offer, number, one_of, switch

_MTU = {"mtu": number(68, 65535)}

OFFERS: Mapping[str, Offer] = {
    "bridge": Offer({**_MTU, "vlan": number(1, 4094), "isolate": switch}, one_each=True),
    "macvlan": Offer({**_MTU, "mode": one_of("bridge", "private", "vepa", "passthru")}, bridge=False),
    "ipvlan": Offer({**_MTU, "mode": one_of("l2", "l3", "l3s")}, bridge=False),
}
"""The kinds of network, and the options of each."""
