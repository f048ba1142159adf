"""What the kit does not ask of every plugin: options, other kinds of networks, back ends of iptables, firewalld, how many programs."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path

import pytest

from conman_cni_network import conf, look, netlink, rules
from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.slots.network import Port, Subnet
from conman_kernel.testing.kits.network.bench import HOST, OUTSIDE, QUIET, asked, plain, port, talking
from conman_kernel.testing.namespaces import tool


def test_programs_are_few(site, started: list[str]) -> None:
    """The cost of ``run`` is that of these. The first container of a network needs two more: its rules are read and made."""
    network = site.network()
    site.join(network, "first")
    assert sorted(started) == ["bridge", "iptables-restore", "iptables-restore", "iptables-save"]
    for ports in ((), (port(8080),), tuple(Port("", 20000 + n, 20001 + n) for n in range(1000))):
        started.clear()
        site.join(network, ports=ports)
        assert sorted(started) == ["bridge", "iptables-restore"]
        started.clear()
        site.leave()
        assert started == [*(["iptables-restore"] if ports else []), "bridge"]


def test_an_mtu(site) -> None:
    network = site.network(options=(("mtu", "1400"),))
    site.join(network)
    assert " mtu 1400 " in site.space("box").tool("ip", "link", "show", "eth0") and " mtu 1400 " in tool("ip", "link", "show", network.interface)


def test_an_isolated_network_is_reached_by_its_ports_alone(site) -> None:
    alone, other = site.network("alone", options=(("isolate", "true"),)), site.network("other")
    inside = plain(site.join(alone, ports=(port(8080),)).addresses[0])
    near = plain(site.join(alone, "near").addresses[0])
    site.join(other, "far")
    outside = site.reach_outside()
    outside.tool("ip", "route", "add", "10.0.0.0/8", "via", HOST)
    with talking(site.space("box"), 80), talking(outside, 80, "outside"):
        assert asked(site.space("near"), inside, 80) == ("hello", near)
        for space in (site.space("far"), outside):
            assert asked(space, inside, 80, patience=QUIET)[0] == "" and asked(space, HOST, 8080)[0] == "hello"
        assert asked(site.space("box"), OUTSIDE, 80)[0] == "outside"


def test_the_way_out_of_ipv6_changes_too(site) -> None:
    for number in (1, 2):
        network = site.network(f"n{number}", subnets=(Subnet(f"10.12{number}.0.0/24"), Subnet(f"fd00:12{number}::/64")))
        site.join(network, interface=f"eth{number}")
    space = site.space("box")
    assert " dev eth1 " in space.tool("ip", "-6", "route", "get", "2001:db8::2") and " dev eth1 " in space.tool("ip", "route", "get", OUTSIDE)
    site.leave(interface="eth1")
    assert " dev eth2 " in space.tool("ip", "-6", "route", "get", "2001:db8::2") and " dev eth2 " in space.tool("ip", "route", "get", OUTSIDE)


def test_a_network_in_the_hosts_own(site) -> None:
    """macvlan: the container is a neighbour of the host's neighbours."""
    outside = site.reach_outside()
    network = site.network("lan", driver="macvlan", interface="uplink", subnets=(Subnet("192.0.2.0/24", OUTSIDE, "192.0.2.128", "192.0.2.200"),))
    try:
        joined = site.join(network, mac="92:d0:c6:0a:29:33")
    except Unavailable as error:
        pytest.skip(f"this kernel has no macvlan: {error.message}")
    assert joined.addresses == ("192.0.2.128/24",) and joined.mac == "92:d0:c6:0a:29:33" and joined.gateways == (OUTSIDE,)
    with talking(outside, 80, "outside"):
        assert asked(site.space("box"), OUTSIDE, 80) == ("outside", "192.0.2.128")
    with pytest.raises(InvalidInput, match="network lan is a macvlan: no port can be published in it"):
        site.join(network, "other", ports=(port(8080),))
    site.leave()
    site.remove(network)
    assert "uplink" in tool("ip", "-o", "link")


def test_what_a_plugin_is_told_of_kinds_that_this_kernel_may_lack(site) -> None:
    subnets = (Subnet("10.1.0.0/24", "10.1.0.1", "10.1.0.9"),)
    tagged = site.wanted("n", subnets=subnets, interface="conman0", options=(("vlan", "7"), ("mtu", "1400")))
    (told,) = conf.chain(tagged, "/leases", conf.Wish(mac="92:d0:c6:0a:29:33", defaults=(4,)), firewalld=False)
    assert (told["vlan"], told["mtu"], told["bridge"], told["isGateway"], told["ipMasq"]) == (7, 1400, "conman0", True, False)
    assert told["runtimeConfig"] == {"mac": "92:d0:c6:0a:29:33"} and told["name"] == tagged.id and told["cniVersion"] == "1.0.0"
    assert told["ipam"] == {"type": "host-local", "dataDir": "/leases", "routes": [{"dst": "0.0.0.0/0"}],
                            "ranges": [[{"subnet": "10.1.0.0/24", "gateway": "10.1.0.1", "rangeStart": "10.1.0.9"}]]}
    beside = tagged._replace(driver="ipvlan", interface="eth0", options=(("mode", "l3"),))
    (told,) = conf.chain(beside, "/leases", conf.Wish(("10.1.0.5",)), firewalld=True)
    assert (told["type"], told["master"], told["mode"]) == ("ipvlan", "eth0", "l3") and "bridge" not in told
    assert told["runtimeConfig"] == {"ips": ["10.1.0.5"]} and told["ipam"]["ranges"] == [[{"subnet": "10.1.0.0/24", "gateway": "10.1.0.1"}]]


@pytest.mark.parametrize("kind", ["nft", "legacy"])
def test_both_back_ends_of_iptables(site, scratch: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    folder = scratch / "bin"
    folder.mkdir()
    for name in ("iptables", "ip6tables"):
        for what in ("", "-restore", "-save"):
            real = shutil.which(f"{name}-{kind}{what}", path="/usr/sbin:/sbin")
            if real is None:
                pytest.skip(f"there is no {name}-{kind}{what}")
            (folder / f"{name}{what}").symlink_to(real)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    before = site.facts()
    network = site.network(subnets=(Subnet("10.123.0.0/24"), Subnet("fd00:123::/64")))
    outside = site.reach_outside()
    for _ in range(2):
        joined = site.join(network, ports=(port(8080), port(5353, 53, "udp"), port(99, 99, "sctp")))
        with talking(site.space("box"), 80), talking(outside, 80, "outside"):
            assert asked(outside, HOST, 8080)[0] == "hello" and asked(None, "127.0.0.1", 8080)[0] == "hello"
            assert asked(site.space("box"), joined.gateways[0], 8080)[0] == "hello" and asked(site.space("box"), OUTSIDE, 80)[1] == HOST
        marked = tool(str(folder / "iptables-save"))
        assert marked.count("conman:") > 5
        site.leave()
    site.remove(network)
    assert site.facts() == before


def test_firewalld_is_told_and_told_again(desk_of) -> None:
    """A ``firewall`` that writes down what it is asked stands in for the real one, which needs a firewalld to talk to."""
    desk = desk_of(firewalld="yes")
    note = desk.cni / "note"
    desk.bend("firewall", f'tee -a {note} > {desk.cni}/last; echo " $CNI_COMMAND" >> {note}\n'
              f'[ "$CNI_COMMAND" = ADD ] && {shutil.which("python3")} -c "import json; print(json.dumps(json.load(open(\'{desk.cni}/last\'))[\'prevResult\']))"; exit 0')
    network = desk.site.network()
    for stateless in (False, True):
        joined = desk.site.join(network, ports=(port(8080),))
        desk.site.leave(stateless=stateless)
        said = [line.rpartition(" ") for line in note.read_text().splitlines()]
        note.unlink()
        assert [command for _, _, command in said] == ["ADD", "DEL"]
        asks = [json.loads(text) for text, _, _ in said]
        assert all(ask["type"] == "firewall" and ask["backend"] == "firewalld" and ask["name"] == network.id for ask in asks)
        assert [ask["prevResult"]["ips"][0]["address"].partition("/")[0] for ask in asks] == [plain(joined.addresses[0])] * 2


def test_a_firewall_that_fails_takes_the_bridge_back(desk_of) -> None:
    desk = desk_of(firewalld="yes")
    desk.bend("firewall", 'echo \'{"code":100,"msg":"firewalld is not running"}\'; [ "$CNI_COMMAND" = DEL ]')
    network = desk.site.small()
    with pytest.raises(Unavailable, match=r"the CNI plugin firewall failed \(code 100\): firewalld is not running"):
        desk.site.join(network)
    assert "eth0" not in desk.site.space("box").tool("ip", "-o", "link")
    desk.straighten("firewall")
    desk.bend("firewall", 'cat > /dev/null; [ "$CNI_COMMAND" = DEL ] || echo \'{"cniVersion":"1.0.0","ips":[{"address":"10.123.0.7/24"}]}\'')
    assert desk.site.join(network).addresses == ("10.123.0.7/24",)


def test_the_host_is_looked_at(site) -> None:
    site.reach_outside()
    table = look.here()
    assert {"lo", "uplink"} <= set(table.interfaces) and ("192.0.2.0/24", "uplink") in table.routes and table.defaults == {4: "uplink"}
    assert ("2001:0db8:0000:0000:0000:0000:0000:0000/64", "uplink") in table.routes
    assert look.inside(site.space("box").path) == look.Table(("lo",), (), {})
    assert look.is_namespace(site.space("box").path) and not look.is_namespace("/proc/self/ns/mnt") and not look.is_namespace("/dev/null")
    with pytest.raises(Unavailable, match="cannot be entered"):
        look.inside("/dev/null")
    found = netlink.link("uplink")
    assert found is not None and found.kind == "veth" and found.alias == "" and netlink.link("never") is None
    netlink.label(found.number, "a label")
    assert netlink.link("uplink") == found._replace(alias="a label")


def test_only_flows_of_udp_to_a_port_are_forgotten(site) -> None:
    site.join(site.network())  # so that flows are tracked
    outside = site.reach_outside()
    for number in (5301, 5302, 5303):
        asked(outside, HOST, number, udp=True, patience=0.1)
        asked(outside, HOST, number, patience=0.1)
    head = bytes((socket.AF_INET, 0, 0, 0))

    def seen(one: int = 0) -> set[int]:
        return {number for number, _ in netlink._udp_flows(head, one) if number in (5301, 5302, 5303)}

    assert seen() == {5301, 5302, 5303} and seen(5302) == {5302} and seen(5309) == set()
    netlink.forget_udp(frozenset((5302,)), version=4)
    assert seen() == {5301, 5303}
    netlink.forget_udp(frozenset(range(5303, 5400)), version=4)
    assert seen() == {5301}
    netlink.forget_udp(frozenset((5301,)), version=6)
    assert seen() == {5301}


def test_runs_of_ports_are_one_rule(site) -> None:
    network = site.wanted("n", subnets=(Subnet("10.1.0.0/24"),))
    several = [port(n, n) for n in (8000, 8001, 8002, 8004)] + [port(90, 80), port(91, 81), port(8000, 8000, "udp"), port(8003, 8003, host="127.0.0.1")]
    lines = rules.publish(network, "c" * 64, "eth0", several, ("10.1.0.5",), 4)
    assert lines[1:-1] == [f"-A {rules.chain_of(network, 'c' * 64, 'eth0')} {line}" for line in (
        "-p tcp -m tcp --dport 90 -j DNAT --to-destination 10.1.0.5:80", "-p tcp -m tcp --dport 91 -j DNAT --to-destination 10.1.0.5:81",
        "-p tcp -m tcp --dport 8000:8002 -j DNAT --to-destination 10.1.0.5", "-p tcp -m tcp --dport 8004 -j DNAT --to-destination 10.1.0.5:8004",
        "-p tcp -d 127.0.0.1 -m tcp --dport 8003 -j DNAT --to-destination 10.1.0.5:8003",
        "-p udp -m udp --dport 8000 -j DNAT --to-destination 10.1.0.5:8000")]
    assert rules.publish(network, "c" * 64, "eth0", several, ("10.1.0.5",), 6) == []


def test_rules_of_older_options_go(site) -> None:
    network = site.network(options=(("isolate", "true"),))
    site.join(network)
    assert "! --ctstate RELATED,ESTABLISHED,DNAT" in tool("iptables-save")
    site.networks[0] = network = network._replace(options=(("isolate", "false"), ("mtu", "1500")))
    tool("iptables", "-D", "FORWARD", "1")  # so that the tables are read again
    site.join(network, "other")
    assert "! --ctstate RELATED,ESTABLISHED,DNAT" not in tool("iptables-save")
