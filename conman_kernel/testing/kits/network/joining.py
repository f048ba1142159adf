"""``join``: whole or absent."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from ....errors import AlreadyExists, ConmanError, InvalidInput, Unavailable
from ....slots.network import Joined, Network, Subnet
from ..outcomes import not_offered
from .bench import Site, free_address, plain, port, refused

NET = (Subnet("10.123.0.0/24", "10.123.0.1"),)
_IMPOSSIBLE = {
    "outside": "10.99.0.5", "gateway": "10.123.0.1", "network": "10.123.0.0", "broadcast": "10.123.0.255", "no-subnet": "fd00::5",
    "prefix": "10.123.0.5/24", "word": "five", "empty": "", "newline": "10.123.0.5\n", "hex": "0x0a7b0005", "zero": "10.123.0.05",
    "long": "1" * 100_000,
}
_NO_MACS = ("93:d0:c6:0a:29:33", "nonsense", "92:d0:c6:0a:29", "92:d0:c6:0a:29:33; id", "00:00:00:00:00:00")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def sound(joined: Joined, network: Network) -> None:
    """What every ``join`` answers."""
    for subnet in network.subnets:
        whole = ip_network(subnet.subnet)
        mine = [ip_interface(one) for one in joined.addresses if ip_interface(one).ip in whole]
        assert len(mine) == 1, f"{joined.addresses} of {subnet.subnet}"
        assert mine[0].network == whole and mine[0].ip != whole.network_address and str(mine[0].ip) != subnet.gateway
    assert len(joined.addresses) == len(network.subnets)
    assert joined.gateways == (() if network.internal else tuple(subnet.gateway for subnet in network.subnets))
    assert _MAC.fullmatch(joined.mac) and len(joined.state.encode()) <= 1 << 20


class Joining:
    """What every start of a container relies on."""

    def test_a_container_gets_an_address_of_each_subnet(self, site: Site) -> None:
        """``Joined``: addresses "with the length of the prefix", gateways, mac, and a state of at most 1 MiB: ``inspect`` shows
        them, and ``/etc/hosts`` is written from them."""
        network = site.network()
        sound(site.join(network), network)

    def test_a_container_gets_one_of_each_kind(self, site: Site) -> None:
        """A network with a subnet of IPv4 and one of IPv6 gives an address of each."""
        try:
            both = site.network("both", subnets=(Subnet("10.123.0.0/24"), Subnet("fd00:123::/64")))
        except (InvalidInput, Unavailable) as error:
            not_offered(f"IPv6: {error.message}")
        sound(site.join(both), both)

    def test_every_kind_that_it_names_works(self, site: Site) -> None:
        """``drivers`` are kinds that it offers: a network of each can be made, joined and left, or what the host lacks for it is
        said, as Unavailable; of the first, which is the default, nothing is lacking."""
        if site.packets:
            site.reach_outside()  # some need an interface that the host has
        for kind in site.driver.drivers:
            network = site.network(kind, driver=kind)
            try:
                sound(site.join(network), network)
            except Unavailable as error:
                refused(error)
                assert kind != site.driver.drivers[0], error.message
            else:
                site.leave()

    def test_containers_get_addresses_of_their_own(self, site: Site) -> None:
        """No two containers of a network have one address, or one mac address, and no one has the gateway's."""
        network = site.network()
        joined = [site.join(network, f"c{number}") for number in range(5)]
        assert len({one.addresses for one in joined}) == len({one.mac for one in joined}) == 5

    def test_wishes_are_kept(self, site: Site) -> None:
        """``addresses`` and ``mac`` are what the container gets: ``--ip``, ``--mac-address``."""
        network = site.network(subnets=NET)
        joined = site.join(network, addresses=("10.123.0.77",), mac="92:d0:c6:0a:29:33")
        assert joined.addresses == ("10.123.0.77/24",) and joined.mac == "92:d0:c6:0a:29:33"

    def test_an_address_in_use_is_refused(self, site: Site) -> None:
        """AlreadyExists: "an address ... is in use", with the address in the message; who has it keeps it, and who was refused
        can join with another one."""
        network = site.network(subnets=NET)
        site.join(network, "first", addresses=("10.123.0.77",))
        with pytest.raises(AlreadyExists) as caught:
            site.join(network, "second", addresses=("10.123.0.77",))
        refused(caught.value, "10.123.0.77")
        assert site.join(network, "second").addresses != ("10.123.0.77/24",)
        site.leave("first")
        assert site.join(network, "third", addresses=("10.123.0.77",)).addresses == ("10.123.0.77/24",)

    @pytest.mark.parametrize("address", _IMPOSSIBLE.values(), ids=_IMPOSSIBLE)
    def test_an_address_that_cannot_be_is_refused(self, site: Site, address: str) -> None:
        """InvalidInput: "an address outside the subnets, or the gateway's", with the address in the message; nothing is
        joined."""
        network = site.network(subnets=NET)
        before = site.facts()
        with pytest.raises(InvalidInput) as caught:
            site.join(network, addresses=(address,))
        refused(caught.value, *((address,) if address.isprintable() and len(address) < 20 else ()))
        assert site.facts() == before

    def test_two_addresses_of_one_subnet_are_refused(self, site: Site) -> None:
        """``addresses``: "one a subnet at most"."""
        network = site.network(subnets=NET)
        with pytest.raises(InvalidInput) as caught:
            site.join(network, addresses=("10.123.0.5", "10.123.0.6"))
        refused(caught.value)

    @pytest.mark.parametrize("mac", _NO_MACS)
    def test_a_mac_address_that_cannot_be_is_refused(self, site: Site, mac: str) -> None:
        """A mac address that is none, or is a group's, is InvalidInput; nothing is joined."""
        network = site.small()
        with pytest.raises(InvalidInput) as caught:
            site.join(network, mac=mac)
        refused(caught.value)
        free_address(site, network)

    def test_a_mac_address_in_use_is_refused(self, site: Site) -> None:
        """AlreadyExists: "a mac address ... is in use"; after the other one has left it is free."""
        network = site.network()
        site.join(network, "first", mac="92:d0:c6:0a:29:33")
        with pytest.raises(AlreadyExists) as caught:
            site.join(network, "second", mac="92:d0:c6:0a:29:33")
        refused(caught.value, "92:d0:c6:0a:29:33")
        site.leave("first")
        assert site.join(network, "second", mac="92:d0:c6:0a:29:33").mac == "92:d0:c6:0a:29:33"

    def test_an_interface_in_use_is_refused(self, site: Site) -> None:
        """AlreadyExists: "the interface is in use": the container keeps what it has, in the other network, too."""
        network, other = site.network(), site.network("other")
        first = site.join(network)
        with pytest.raises(AlreadyExists) as caught:
            site.driver.join(site.request(network))
        refused(caught.value, "eth0")
        assert site.join(other, "box", interface="eth1").addresses != first.addresses

    def test_a_range_is_kept_to_and_ends(self, site: Site) -> None:
        """``first`` and ``last``: "the lowest address that is given out by itself", and the highest; after that Unavailable. What
        comes back is given out again."""
        network = site.network(subnets=(Subnet("10.123.0.0/24", "10.123.0.1", "10.123.0.10", "10.123.0.12"),))
        found = {plain(site.join(network, f"c{number}").addresses[0]) for number in range(3)}
        assert found == {"10.123.0.10", "10.123.0.11", "10.123.0.12"}
        with pytest.raises(Unavailable) as caught:
            site.join(network, "late")
        refused(caught.value)
        site.leave("c1")
        assert plain(site.join(network, "late").addresses[0]) in found

    def test_a_wish_may_lie_outside_of_the_range(self, site: Site) -> None:
        """``first`` and ``last`` are for what "is given out by itself": an address that is wished for is any of the subnet's, so
        that a range keeps the others for those who ask."""
        network = site.network(subnets=(Subnet("10.123.0.0/24", "10.123.0.1", "10.123.0.128", "10.123.0.191"),))
        assert site.join(network, "wishes", addresses=("10.123.0.5",)).addresses == ("10.123.0.5/24",)
        assert 128 <= int(plain(site.join(network, "any").addresses[0]).rpartition(".")[2]) <= 191
        with pytest.raises(AlreadyExists):
            site.join(network, "late", addresses=("10.123.0.5",))

    def test_a_gateway_in_the_range_is_not_given_out(self, site: Site) -> None:
        """Nobody gets the gateway's address, wherever it lies."""
        network = site.network(subnets=(Subnet("10.123.0.0/24", "10.123.0.11", "10.123.0.10", "10.123.0.12"),))
        assert {plain(site.join(network, f"c{number}").addresses[0]) for number in range(2)} == {"10.123.0.10", "10.123.0.12"}

    def test_ports_of_an_internal_network_are_refused(self, site: Site) -> None:
        """InvalidInput: "ports of an internal network"; without ports the container joins."""
        network = site.network(internal=True)
        with pytest.raises(InvalidInput) as caught:
            site.join(network, ports=(port(8080),))
        refused(caught.value, network.name)
        sound(site.join(network), network)

    @pytest.mark.parametrize("what", ["nothing", "a-file"])
    def test_a_namespace_that_is_none_leaves_nothing(self, site: Site, scratch: Path, what: str) -> None:
        """``join`` is "whole or absent: where it raises, addresses, interfaces and rules are given back". Here the namespace is
        not there; the only address of the network is free afterwards."""
        if what == "a-file" and not site.packets:
            not_offered("packets: it keeps books only")
        network = site.small()
        path = scratch / "namespace"
        if what == "a-file":
            path.write_text("")
        before = site.facts()
        with pytest.raises(Unavailable) as caught:
            site.join(network, namespace=str(path), ports=(port(8080),))
        refused(caught.value)
        assert [line for line in site.facts().get("links", []) if line not in before["links"]] in ([], [network.interface])
        free_address(site, network)

    def test_odd_names_are_only_names(self, site: Site, scratch: Path) -> None:
        """What people call containers and networks is anything that they can type; it is text for messages, and never a path, an
        option or a line of something else."""
        odd = "a'b\"c $(touch " + str(scratch / "touched") + ") ; é -x ../.. %s \\n"
        network = site.ask(site.wanted(odd))
        site.networks.append(network)
        joined = site.join(network, "box", name=odd, aliases=(odd, "-x", "../../x", "x" * 1000), ports=(port(8080),))
        sound(joined, network)
        site.leave("box")
        assert not (scratch / "touched").exists()
        try:
            site.join(network, "second", name="x" * 100_000, aliases=tuple(f"n{number}" for number in range(2000)))
        except ConmanError as error:
            refused(error)

    def test_a_container_may_be_in_several_networks(self, site: Site) -> None:
        """One join per network and interface, ``eth0``, ``eth1``: ``--network a --network b``. Leaving one leaves the other."""
        one, two = site.network("one"), site.network("two")
        first = site.join(one, interface="eth0")
        second = site.join(two, interface="eth1")
        assert ip_address(plain(second.addresses[0])) in ip_network(two.subnets[0].subnet) and first.mac != second.mac
        site.leave(interface="eth0")
        sound(site.join(one, interface="eth0"), one)

    def test_it_prints_nothing_and_stays_where_it_is(self, site: Site, capfd: pytest.CaptureFixture[str]) -> None:
        """"Changes no namespace" of its caller, leaves no descriptor open and prints nothing: it runs inside of programs."""
        network = site.network()
        site.join(network, "warm")
        before = os.readlink("/proc/thread-self/ns/net"), os.getcwd()
        site.space("box")
        site.space("late")
        descriptors = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            site.join(network)
            site.leave()
        with pytest.raises(InvalidInput):
            site.join(network, addresses=("10.99.99.99",))
        assert (os.readlink("/proc/thread-self/ns/net"), os.getcwd()) == before
        assert len(os.listdir("/proc/self/fd")) == descriptors, "descriptors are left open"
        assert capfd.readouterr() == ("", "")

    def test_nothing_outside_its_folders_is_written(self, site: Site, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it keeps "lies below its ``state_dir`` and ``run_dir``": a store can be moved, and removed, as one folder."""
        elsewhere = scratch / "elsewhere"
        elsewhere.mkdir()
        for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
            monkeypatch.setenv(name, str(elsewhere))
        monkeypatch.chdir(elsewhere)
        network = site.network()
        site.join(network, ports=(port(8080),), mac="92:d0:c6:0a:29:33")
        site.leave()
        assert os.listdir(elsewhere) == [] and set(os.listdir(scratch)) <= {"elsewhere", "state", "run"}
