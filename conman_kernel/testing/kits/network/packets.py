"""Packets: containers reach each other and the outside, and what must not be reached is not."""

from __future__ import annotations

import socket

import pytest

from ....errors import InvalidInput, Unavailable
from ....slots.network import Network, Subnet
from ..outcomes import not_offered
from .bench import HERE, HOST, HOST6, OUTSIDE, OUTSIDE6, QUIET, Site, asked, plain, talking


class Packets:
    """What people make networks for."""

    def test_containers_reach_each_other(self, live: Site) -> None:
        """Containers of one network reach each other by their addresses, at once and both ways, and see each other's own."""
        network = live.network()
        one, two = plain(live.join(network, "one").addresses[0]), plain(live.join(network, "two").addresses[0])
        with talking(live.space("one"), 80, "one"), talking(live.space("two"), 80, "two"):
            assert asked(live.space("two"), one, 80) == ("one", two)
            assert asked(live.space("one"), two, 80) == ("two", one)

    def test_the_host_reaches_a_container(self, live: Site) -> None:
        """The host reaches a container by its address, and the container the host by the gateway's."""
        network = live.network()
        joined = live.join(network)
        with talking(live.space("box"), 80):
            assert asked(None, plain(joined.addresses[0]), 80)[0] == "hello"
        server = live.reach_outside()
        with talking(server, 7, "outside"):
            assert asked(live.space("box"), joined.gateways[0], 7, patience=QUIET)[0] == "", "that is another one's"
        with talking(HERE, 7, "host"):
            assert asked(live.space("box"), joined.gateways[0], 7)[0] == "host"

    def test_the_outside_is_reached(self, live: Site) -> None:
        """Beyond the host a container appears with the host's address: nobody there has a route to its own."""
        network = live.network()
        live.join(network)
        with talking(live.reach_outside(), 80, "outside"):
            assert asked(live.space("box"), OUTSIDE, 80) == ("outside", HOST)

    def test_the_outside_is_reached_by_ipv6(self, live: Site) -> None:
        """The same by IPv6, where a network has it."""
        network = with_ipv6(live)
        live.join(network)
        with talking(live.reach_outside(), 80, "outside", address="::"):
            assert asked(live.space("box"), OUTSIDE6, 80) == ("outside", HOST6)
            assert asked(live.space("box"), OUTSIDE, 80) == ("outside", HOST)

    def test_a_wished_mac_address_is_the_interfaces(self, live: Site) -> None:
        """``mac`` is that of the interface, whether it was wished for or not; and the interface is called as asked."""
        network = live.network()
        for name, mac in (("any", ""), ("wished", "92:d0:c6:0a:29:33")):
            joined = live.join(network, name, interface="eth7", mac=mac)
            assert joined.mac in live.space(name).tool("ip", "-o", "link", "show", "eth7")
            assert f" {joined.addresses[0]} " in live.space(name).tool("ip", "-o", "addr", "show", "eth7")

    def test_an_internal_network_has_no_way_out(self, live: Site) -> None:
        """``internal``: "no way out of it, to the outside or to other networks"; its containers reach each other."""
        inner, other = live.network("inner", internal=True), live.network("other")
        one, two = live.join(inner, "one"), live.join(inner, "two")
        neighbour = live.join(other, "neighbour")
        live.space("two").tool("ip", "route", "replace", "default", "via", plain(one.addresses[0]))  # whoever tries, anyhow
        with talking(live.reach_outside(), 80, "outside"), talking(live.space("neighbour"), 80), \
                talking(live.space("one"), 80, "one"):
            assert asked(live.space("two"), plain(one.addresses[0]), 80) == ("one", plain(two.addresses[0]))
            for target in (OUTSIDE, plain(neighbour.addresses[0])):
                assert asked(live.space("two"), target, 80, patience=QUIET)[0] == ""
            assert asked(live.space("neighbour"), plain(one.addresses[0]), 80, patience=QUIET)[0] == ""
        assert one.gateways == ()

    def test_an_internal_network_cannot_be_talked_out_of(self, live: Site) -> None:
        """Nor is there a way out for a process in it that sends to the host's interface by its mac address: no rule of the host
        and no forwarding passes that on."""
        inner, other = live.network("inner", internal=True), live.network("other")
        joined = live.join(inner)
        live.join(other, "neighbour")  # forwarding is on by now
        gateway = str(_second(joined.addresses[0]))
        bridge = _mac_of(inner.interface)
        space = live.space("box")
        space.tool("ip", "neigh", "replace", gateway, "lladdr", bridge, "dev", "eth0")
        space.tool("ip", "route", "replace", "default", "via", gateway)
        outside = live.reach_outside()
        with outside.call(_datagrams) as heard, space.call(_datagrams) as plug:
            heard.bind(("", 5353))
            heard.settimeout(QUIET)
            plug.sendto(b"let me out", (OUTSIDE, 5353))
            with pytest.raises(TimeoutError):
                heard.recv(100)

    def test_the_default_route_is_the_first_networks(self, live: Site) -> None:
        """With several networks the default route leads through one of them, the first that has a way out; by the others their
        own containers are reached, and nothing else."""
        inner, first, second = live.network("inner", internal=True), live.network("first"), live.network("second")
        live.join(inner, interface="eth0")
        live.join(first, interface="eth1")
        live.join(second, interface="eth2")
        other = live.join(second, "other")
        assert " dev eth1 " in live.space("box").tool("ip", "-o", "route", "get", OUTSIDE)
        assert "nexthop" not in live.space("box").tool("ip", "route")
        with talking(live.space("other"), 80), talking(live.reach_outside(), 80, "outside"):
            assert asked(live.space("box"), plain(other.addresses[0]), 80)[0] == "hello"
            assert asked(live.space("box"), OUTSIDE, 80)[0] == "outside"

    def test_another_network_becomes_the_way_out(self, live: Site) -> None:
        """"Where that is left, another one's": ``network connect`` to a new network, ``network disconnect`` from the old one, and
        the container reaches the outside as before; and when it comes back, there is one way out still."""
        first, second = live.network("first"), live.network("second")
        live.join(first, interface="eth0")
        live.join(second, interface="eth1")
        with talking(live.reach_outside(), 80, "outside"):
            live.leave(interface="eth0")
            assert asked(live.space("box"), OUTSIDE, 80)[0] == "outside"
            live.join(first, interface="eth0")
            assert asked(live.space("box"), OUTSIDE, 80)[0] == "outside"
            live.leave(interface="eth1")
            assert asked(live.space("box"), OUTSIDE, 80)[0] == "outside"

    def test_forwarding_is_seen_to(self, live: Site) -> None:
        """Where a host refuses to forward (Docker sets that policy), a network's own packets are let through all the same."""
        from ...namespaces import tool

        try:
            tool("iptables", "-P", "FORWARD", "DROP")
        except (FileNotFoundError, AssertionError):
            not_offered("rules of iptables: this host has none")
        network = live.network()
        one = live.join(network, "one")
        live.join(network, "two")
        with talking(live.space("one"), 80), talking(live.reach_outside(), 80, "outside"):
            assert asked(live.space("two"), OUTSIDE, 80)[0] == "outside"
            assert asked(live.space("two"), plain(one.addresses[0]), 80)[0] == "hello"
        tool("iptables", "-P", "FORWARD", "ACCEPT")

    def test_rules_that_were_flushed_come_back(self, live: Site) -> None:
        """A firewall that is reloaded takes all rules away: the next container to join has its network's again."""
        from ...namespaces import tool

        network = live.network()
        live.join(network, "one")
        live.leave("one")
        for line in ("iptables -F", "iptables -X", "iptables -t nat -F", "iptables -t nat -X"):
            try:
                tool(*line.split())
            except (FileNotFoundError, AssertionError):
                not_offered("rules of iptables: this host has none")
        live.join(network, "two")
        with talking(live.reach_outside(), 80, "outside"):
            assert asked(live.space("two"), OUTSIDE, 80) == ("outside", HOST)


def with_ipv6(site: Site) -> Network:
    """A network of both kinds of address; the test is skipped where there is none."""
    try:
        return site.network("both", subnets=(Subnet("10.123.0.0/24"), Subnet("fd00:123::/64")))
    except (InvalidInput, Unavailable) as error:
        not_offered(f"IPv6: {error.message}")


def _datagrams() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _second(address: str) -> object:
    from ipaddress import ip_interface

    return ip_interface(address).network[250]


def _mac_of(interface: str) -> str:
    from ...namespaces import tool

    words = tool("ip", "-o", "link", "show", interface).split()
    return words[words.index("link/ether") + 1]
