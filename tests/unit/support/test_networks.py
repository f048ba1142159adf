"""Plans of networks: what is picked where nothing is asked for, and what is refused, in one clear line."""

from __future__ import annotations

import ipaddress

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, InvalidInput, Unavailable
from conman_kernel.slots.network import DefineRequest, Network, Subnet
from conman_kernel.support.networks import Host, Offer, Route, addresses, mac_address, number, one_of, plan, switch

OFFERS = {"bridge": Offer({"mtu": number(68, 65535), "isolate": switch}), "macvlan": Offer({"mode": one_of("bridge", "vepa")}, bridge=False)}
HOST = Host((Route("172.16.0.0/16", "eth0"), Route("fe80::/64", "eth0"), Route("0.0.0.0/0", "eth0")), ("lo", "eth0", "br0"))


def made(wanted: Network, others: tuple[Network, ...] = (), host: Host = HOST) -> Network:
    return plan(DefineRequest(wanted, others, Cancel(5)), OFFERS, host)


def net(name: str = "n", **more: object) -> Network:
    return Network(name, name[0] * 64, **more)  # type: ignore[arg-type]


def sub(subnet: str, **more: str) -> Network:
    return net(subnets=(Subnet(subnet, **more),))


def test_the_default_network_is_podmans_and_others_follow() -> None:
    first = made(net("bridge"))
    assert first.subnets == (Subnet("10.88.0.0/16", "10.88.0.1"),) and first.interface == "conman0"
    second = made(net("b"), (first,))
    assert second.subnets == (Subnet("10.89.0.0/24", "10.89.0.1"),) and second.interface == "conman1"
    third = made(net("c"), (first, second))
    assert third.subnets == (Subnet("10.89.1.0/24", "10.89.1.1"),) and third.interface == "conman2"
    assert made(net("bridge"), (second,)).subnets[0].subnet == "10.88.0.0/16"
    assert made(net("d"), (first, third)).subnets[0].subnet == "10.89.0.0/24" and made(net("d"), (first, third)).interface == "conman1"


def test_what_is_there_already_is_what_is_kept() -> None:
    once = made(net("a", ipv6=True, options=(("mtu", "1400"), ("isolate", "1"))))
    assert once.options == (("mtu", "1400"), ("isolate", "true"))
    assert made(once) == once


def test_subnets_that_the_host_uses_are_passed_over() -> None:
    host = Host((Route("10.88.0.0/16", "cni-podman0"), Route("10.89.0.0/23", "tun0")), ("cni-podman0", "conman0"))
    network = made(net("bridge"), (), host)
    assert network.subnets[0].subnet == "10.89.2.0/24" and network.interface == "conman1"


def test_ipv6_is_unique_local_and_the_networks_own() -> None:
    one, two = made(net("a", ipv6=True)), made(net("b", ipv6=True))
    v6 = [ipaddress.ip_network(network.subnets[1].subnet) for network in (one, two)]
    assert v6[0] != v6[1] and all(whole.prefixlen == 64 and whole.subnet_of(ipaddress.ip_network("fd00::/8")) for whole in v6)  # type: ignore[arg-type]
    clash = made(net("a", ipv6=True), (one,))
    assert clash.subnets[1].subnet not in (one.subnets[1].subnet,)


def test_no_subnet_is_free() -> None:
    with pytest.raises(Unavailable, match=r"^network n: no subnet is free$") as caught:
        made(net(), (), Host((Route("10.0.0.0/8", "vpn"),)))
    assert "--subnet" in caught.value.hint


def test_what_is_asked_for_is_completed() -> None:
    assert made(sub("192.168.7.9/24")).subnets == (Subnet("192.168.7.0/24", "192.168.7.1"),)
    asked = made(sub("FD00:7::/64", first="fd00:7::0100", last="fd00:7::1ff"))
    assert asked.subnets == (Subnet("fd00:7::/64", "fd00:7::1", "fd00:7::100", "fd00:7::1ff"),)
    assert made(sub("192.168.7.0/24", gateway="192.168.7.254")).subnets[0].gateway == "192.168.7.254"


def test_an_internal_network_has_a_gateway_only_where_one_is_asked_for() -> None:
    assert made(net(internal=True)).subnets == (Subnet("10.89.0.0/24"),)
    assert made(net(internal=True, subnets=(Subnet("10.1.0.0/24", "10.1.0.9"),))).subnets[0].gateway == "10.1.0.9"


@pytest.mark.parametrize("wanted, words", [
    (sub("10.0.0.0"), "has no length of its prefix"), (sub("10.0.0.0/33"), "is none"), (sub("x" * 5000), "is none"), (sub(""), "is none"),
    (sub("10.0.0.0/31"), "8 to 30"), (sub("fd00::/127"), "16 to 126"), (sub("0.0.0.0/0"), "8 to 30"), (sub("::/0"), "16 to 126"),
    (sub("127.0.0.0/8"), "reserved"), (sub("224.0.0.0/24"), "reserved"), (sub("240.0.0.0/8"), "reserved"), (sub("169.254.0.0/24"), "reserved"),
    (sub("fe80::/64"), "reserved"), (sub("ff02::/64"), "reserved"), (sub("fe80::%eth0/64"), "none|zone"),
    (sub("10.1.0.0/24", gateway="10.2.0.1"), r"gateway 10\.2\.0\.1 is outside of the subnet 10\.1\.0\.0/24"),
    (sub("10.1.0.0/24", gateway="10.1.0.0"), "gateway 10.1.0.0 is no host's"), (sub("10.1.0.0/24", gateway="10.1.0.255"), "no host's"),
    (sub("10.1.0.0/24", gateway="fd00::1"), "gateway fd00::1 is outside"), (sub("10.1.0.0/24", gateway="gate"), "gateway 'gate' is none"),
    (sub("10.1.0.0/24", first="10.1.0.9", last="10.1.0.8"), "range 10.1.0.9 to 10.1.0.8 is empty"),
    (sub("10.1.0.0/24", gateway="10.1.0.9", first="10.1.0.9", last="10.1.0.9"), "no address but the gateway's"),
    (sub("10.1.0.0/24", first="10.9.0.9"), "first address 10.9.0.9 is outside"),
    (net(subnets=(Subnet("10.1.0.0/24"), Subnet("10.1.0.128/25"))), r"its subnets 10\.1\.0\.0/24 and 10\.1\.0\.128/25 overlap"),
    (net(subnets=tuple(Subnet(f"10.{n}.0.0/24") for n in range(250))), "250 subnets are too many"),
    (net(driver="overlay"), "no driver 'overlay'"), (net(driver="brigde"), "no driver"), (net(driver="x\ny"), "no driver"),
    (net(options=(("mtuu", "1"),)), "no option 'mtuu'"), (net(options=(("mtu", "big"),)), "mtu must be a number from 68 to 65535, not 'big'"),
    (net(options=(("mtu", "٣٤٥"),)), "mtu must be"), (net(options=(("mtu", "1400"), ("mtu", "1500"))), "given twice"),
    (net(options=(("isolate", "perhaps"),)), "isolate must be true or false"),
    (net(interface="much-too-long-a-name"), "is no name of an interface"), (net(interface="../x"), "no name"), (net(interface="a b"), "no name"),
    (net(interface="conman+"), "no name"), (net(interface="all"), "no name"), (net(interface="ü0"), "no name"), (net(interface="-x"), "no name"),
    (net(driver="macvlan", interface="eth9"), "the host has no interface eth9"),
])
def test_what_is_refused(wanted: Network, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        made(wanted)
    assert "\n" not in caught.value.message and len(caught.value.message) < 200


@pytest.mark.parametrize("wanted, words", [
    (sub("10.89.0.128/25"), r"the subnet 10\.89\.0\.128/25 overlaps 10\.89\.0\.0/24, of network first"),
    (sub("172.16.9.0/24"), r"overlaps 172\.16\.0\.0/16, which the host routes to eth0"),
    (sub("10.0.0.0/8"), "of network first"),
    (net(interface="conman0"), "interface conman0 is that of network first"), (net(interface="br0"), "the host has an interface br0 already"),
])
def test_what_is_another_ones(wanted: Network, words: str) -> None:
    with pytest.raises(AlreadyExists, match=words):
        made(wanted, (made(net("first")),))


def test_one_subnet_of_each_kind_where_a_driver_has_no_more() -> None:
    offers = {"bridge": Offer({}, one_each=True)}
    both = net(subnets=(Subnet("10.1.0.0/24"), Subnet("fd00:1::/64")))
    assert len(plan(DefineRequest(both, (), Cancel(5)), offers, HOST).subnets) == 2
    with pytest.raises(InvalidInput, match="one subnet of IPv4 at most, and one of IPv6"):
        plan(DefineRequest(net(subnets=(Subnet("10.1.0.0/24"), Subnet("10.2.0.0/24"))), (), Cancel(5)), offers, HOST)


def test_the_nearest_name_is_told() -> None:
    for wanted, near in ((net(driver="brigde"), "bridge"), (net(options=(("isolat", "1"),)), "isolate")):
        with pytest.raises(InvalidInput) as caught:
            made(wanted)
        assert caught.value.hint == f"did you mean {near}?"


def test_a_parent_is_one_of_the_hosts() -> None:
    one = made(net("a", driver="macvlan", interface="eth0"))
    assert made(net("b", driver="macvlan", interface="eth0"), (one,)).interface == "eth0"
    with pytest.raises(InvalidInput, match="needs an interface of the host, which has no default route"):
        made(net("c", driver="macvlan"), (one,))
    assert made(net("c", driver="macvlan"), (one,), HOST._replace(default="eth0")).interface == "eth0"


def test_a_subnet_of_the_parents_own_is_no_overlap() -> None:
    wanted = net(driver="macvlan", interface="eth0", subnets=(Subnet("172.16.0.0/16", "172.16.0.9"),))
    assert made(wanted).subnets[0].gateway == "172.16.0.9"
    with pytest.raises(AlreadyExists, match="which the host routes to eth0"):
        made(wanted._replace(driver="bridge", interface=""))


def test_addresses_that_a_container_wishes() -> None:
    network = made(net(subnets=(Subnet("10.1.0.0/24"), Subnet("fd00:1::/64"))))
    assert addresses(network, ("fd00:1:0::7", "10.1.0.7")) == ("fd00:1::7", "10.1.0.7") and addresses(network, ()) == ()
    for wished, words in ((("10.2.0.7",), "10.2.0.7 is outside of network n"), (("10.1.0.1",), "10.1.0.1 is the gateway of network n"),
                          (("10.1.0.255",), "keeps it for itself"), (("10.1.0.0",), "keeps it for itself"), (("10.1.0.7/24",), "is none"),
                          (("nonsense\n",), "is none"), (("fd00:1::",), "keeps it"), (("fe80::1%x",), "has a zone"),
                          (("10.1.0.7", "10.1.0.8"), "10.1.0.7 and 10.1.0.8 are both in 10.1.0.0/24")):
        with pytest.raises(InvalidInput, match=words):
            addresses(network, wished)


def test_mac_addresses() -> None:
    assert mac_address("92:D0-C6:0a:29:33") == "92:d0:c6:0a:29:33" and mac_address("") == ""
    for text in ("92:d0:c6:0a:29", "93:d0:c6:0a:29:33", "00:00:00:00:00:00", "9:d:c:a:2:3", "x", "92:d0:c6:0a:29:33\n"):
        with pytest.raises(InvalidInput, match="no mac address"):
            mac_address(text)
