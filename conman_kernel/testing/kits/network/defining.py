"""``define``: what was asked for is checked and completed, and nothing is changed."""

from __future__ import annotations

import os
from ipaddress import ip_address, ip_network
from typing import Callable, Mapping

import pytest

from ....errors import AlreadyExists, ConmanError, InvalidInput, Unavailable
from ....slots.network import Network, Subnet
from ...namespaces import tool
from ..outcomes import not_offered
from .bench import Site, refused

MANY = 60

_REFUSED: Mapping[str, tuple[Subnet, ...]] = {
    "no-subnet": (Subnet("ten"),), "no-prefix": (Subnet("10.77.0.0"),), "too-long": (Subnet("10.77.0.0/33"),),
    "one-host": (Subnet("10.77.0.0/32"),), "everything": (Subnet("0.0.0.0/0"),), "loopback": (Subnet("127.0.0.0/8"),),
    "multicast": (Subnet("224.0.0.0/24"),), "odd-letters": (Subnet("10.77.0.0/24\n10.78.0.0/24"),),
    "very-long": (Subnet("1" * 100_000),), "nothing": (Subnet(""),), "gateway-outside": (Subnet("10.77.0.0/24", "10.78.0.1"),),
    "gateway-of-another-kind": (Subnet("10.77.0.0/24", "fd00::1"),), "gateway-is-none": (Subnet("10.77.0.0/24", "$(reboot)"),),
    "gateway-is-the-broadcast": (Subnet("10.77.0.0/24", "10.77.0.255"),),
    "range-outside": (Subnet("10.77.0.0/24", "", "10.78.0.5"),),
    "range-backwards": (Subnet("10.77.0.0/24", "", "10.77.0.9", "10.77.0.5"),),
    "each-other": (Subnet("10.77.0.0/16"), Subnet("10.77.5.0/24")),
}


class Defining:
    """What ``network create`` relies on."""

    def test_its_drivers_are_told(self, site: Site) -> None:
        """``drivers``: the kinds of network, the default first, the same every time: ``network create --help`` shows them."""
        told: object = site.driver.drivers
        assert isinstance(told, tuple) and told and len(set(told)) == len(told) and told == site.again().drivers
        assert all(isinstance(name, str) and name for name in told)
        assert site.network().driver == told[0]

    def test_the_rest_is_filled_in(self, site: Site) -> None:
        """"Fill in the rest: subnets, gateways, the interface's name"; "name and id as they were asked for": what comes back is
        kept as it is, shown by ``network inspect``, and handed to every later call."""
        made = site.network("filled")
        assert (made.name, made.id) == ("filled", site.wanted("filled").id)
        assert made.subnets and len(made.interface.encode()) <= 15
        for subnet in made.subnets:
            whole = ip_network(subnet.subnet)  # of which the host bits are zero
            assert ip_address(subnet.gateway) in whole and ip_address(subnet.gateway) not in (whole.network_address, whole[-1])

    def test_what_was_asked_for_is_kept(self, site: Site) -> None:
        """Subnet, gateway, range and interface are those that were asked for: ``--subnet``, ``--gateway``, ``--ip-range``."""
        asked = Subnet("10.77.0.0/24", "10.77.0.9", "10.77.0.16", "10.77.0.31")
        made = site.network("asked", subnets=(asked,), interface="kit-br")
        assert made.subnets == (asked,) and made.interface == "kit-br"

    def test_a_whole_network_stays_as_it_is(self, site: Site) -> None:
        """Nothing is left to fill in where a network is whole: it can be made again from what ``network inspect`` shows."""
        made = site.network("whole")
        assert site.ask(made, ()) == made

    def test_it_changes_nothing(self, site: Site) -> None:
        """"Changes nothing": a network that nobody joins costs the host nothing, and one that cannot be kept leaves nothing."""
        before = site.facts()
        for number in range(3):
            site.network(f"n{number}")
        assert site.facts() == before and os.listdir(site.scratch) == []

    def test_many_networks_are_apart(self, site: Site) -> None:
        """Subnets that are picked overlap no other network's, and no two have one interface: containers of different networks
        never meet."""
        made = [site.network(f"n{number}") for number in range(MANY)]
        wholes = [ip_network(subnet.subnet) for network in made for subnet in network.subnets]
        assert not any(one.overlaps(other) for index, one in enumerate(wholes) for other in wholes[:index])
        assert len({network.interface for network in made}) == MANY

    def test_other_plugins_networks_count(self, site: Site) -> None:
        """``others``: "every network that there is already, of whatever plugin", also of a driver that this one does not know."""
        first = site.network("first")
        foreign = Network("foreign", "f" * 64, "somebodys", first.subnets, first.interface)
        made = site.ask(site.wanted("second"), (foreign,))
        assert made.interface != first.interface
        taken = [ip_network(subnet.subnet) for subnet in first.subnets]
        assert not any(ip_network(one.subnet).overlaps(other) for one in made.subnets for other in taken)

    def test_ipv6_where_it_is_wished(self, site: Site) -> None:
        """``ipv6``: "where the plugin picks subnets, one of IPv6, too"; networks of their own get ranges of their own."""
        try:
            one, two = site.network("one", ipv6=True), site.network("two", ipv6=True)
        except (InvalidInput, Unavailable) as error:
            not_offered(f"IPv6: {error.message}")
        found = [[ip_network(subnet.subnet) for subnet in network.subnets if ":" in subnet.subnet] for network in (one, two)]
        assert all(found) and not found[0][0].overlaps(found[1][0])

    @pytest.mark.parametrize("case", _REFUSED)
    def test_what_is_no_subnet_is_refused(self, site: Site, case: str) -> None:
        """InvalidInput: "an address outside its subnet, a subnet that is none", in one line, whatever letters somebody types."""
        with pytest.raises(InvalidInput) as caught:
            site.ask(site.wanted(subnets=_REFUSED[case]))
        refused(caught.value)

    def test_very_many_subnets_are_refused_or_kept(self, site: Site) -> None:
        """A list of ten thousand subnets is refused in one line, or kept whole, and within seconds: a file may hold it."""
        subnets = tuple(Subnet(f"10.{number // 256}.{number % 256}.0/24") for number in range(10_000))
        try:
            made = site.ask(site.wanted(subnets=subnets))
        except ConmanError as error:
            refused(error)
        else:
            assert len(made.subnets) == len(subnets)

    def test_overlaps_are_refused_and_named(self, site: Site) -> None:
        """AlreadyExists: "a subnet overlaps another network's"; "the message names whose"."""
        site.network("neighbour", subnets=(Subnet("10.77.0.0/16"),))
        for subnet in ("10.77.0.0/16", "10.77.9.0/24", "10.0.0.0/8"):
            with pytest.raises(AlreadyExists) as caught:
                site.ask(site.wanted("new", subnets=(Subnet(subnet),)))
            refused(caught.value, "neighbour")

    def test_what_the_host_routes_elsewhere_is_refused(self, live: Site) -> None:
        """AlreadyExists: "or one that the host routes elsewhere; the message names whose": a container's network must not cut the
        host off from its own. Where the plugin picks, it passes over them."""
        tool("ip", "link", "add", "kit-lan", "type", "bridge")
        picked = ip_network(live.ask(live.wanted()).subnets[0].subnet)
        tool("ip", "addr", "add", f"{picked[9]}/{picked.prefixlen}", "dev", "kit-lan")
        tool("ip", "link", "set", "kit-lan", "up")
        try:
            with pytest.raises(AlreadyExists) as caught:
                live.ask(live.wanted(subnets=(Subnet(str(picked)),)))
            refused(caught.value, "kit-lan")
            assert not any(ip_network(subnet.subnet).overlaps(picked) for subnet in live.ask(live.wanted()).subnets)
        finally:
            tool("ip", "link", "del", "kit-lan")

    @pytest.mark.parametrize("change", [
        lambda wanted: wanted._replace(driver="no-such-kind"), lambda wanted: wanted._replace(driver="; rm -rf /"),
        lambda wanted: wanted._replace(options=(("no-such-option", "1"),)), lambda wanted: wanted._replace(options=(("", ""),)),
        lambda wanted: wanted._replace(options=(("x" * 100_000, "y" * 100_000),)),
    ], ids=["driver", "odd-driver", "option", "empty-option", "long-option"])
    def test_what_it_does_not_know_is_refused(self, site: Site, change: Callable[[Network], Network]) -> None:
        """InvalidInput: "an unknown driver or option": a word that is misspelt must not be passed over in silence."""
        with pytest.raises(InvalidInput) as caught:
            site.ask(change(site.wanted()))
        refused(caught.value)

    @pytest.mark.parametrize("name", ["sixteen-letters-", "a/b", "a b", "a\nb", "..", "$(id)", "ä" * 8])
    def test_what_is_no_interface_is_refused(self, site: Site, name: str) -> None:
        """``interface``: "name of the host's interface, 15 bytes at most": it becomes a part of paths and of rules."""
        with pytest.raises(InvalidInput) as caught:
            site.ask(site.wanted(interface=name))
        refused(caught.value)

    def test_an_interface_of_another_network_is_refused(self, site: Site) -> None:
        """AlreadyExists: "the interface is another one's; the message names whose"."""
        taken = site.network("neighbour").interface
        with pytest.raises(AlreadyExists) as caught:
            site.ask(site.wanted("new", interface=taken))
        refused(caught.value, "neighbour")

