"""The words of ``--network``, ``--publish``, ``--expose`` and their like."""

from __future__ import annotations

from typing import Callable

import pytest

from conman_kernel.containers import network_options, parse_network
from conman_kernel.errors import InvalidInput
from conman_kernel.oci.runtime.options import ContainerOptions, NetworkOption, PublishedPort


@pytest.mark.parametrize(("texts", "mode", "networks"), [
    ([], "", ()),
    (["none"], "none", ()),
    (["host"], "host", ()),
    (["container:db"], "container:db", ()),
    (["ns:/run/netns/x"], "path:/run/netns/x", ()),
    (["bridge"], "bridge", (NetworkOption("bridge"),)),
    (["private"], "bridge", (NetworkOption("bridge"),)),
    (["front"], "bridge", (NetworkOption("front"),)),
    (["front,back"], "bridge", (NetworkOption("front"), NetworkOption("back"))),
    (["front", "back"], "bridge", (NetworkOption("front"), NetworkOption("back"))),
    (["front:ip=10.1.0.5,mac=AA-bb-cc-dd-ee-f0,alias=web,alias=www,interface_name=net0"], "bridge",
     (NetworkOption("front", ("10.1.0.5",), "aa:bb:cc:dd:ee:f0", ("web", "www"), "net0"),)),
    (["bridge:ip=10.1.0.5,ip6=fd00::5"], "bridge", (NetworkOption("bridge", ("10.1.0.5", "fd00::5")),)),
])
def test_networks(texts: list[str], mode: str, networks: tuple[NetworkOption, ...]) -> None:
    assert parse_network.networks(texts) == (mode, networks)


def test_options_of_the_one_network_go_into_it() -> None:
    found = parse_network.networks(["front"], addresses=["10.1.0.5"], mac="aa:bb:cc:dd:ee:f0", aliases=["web"])
    assert found == ("bridge", (NetworkOption("front", ("10.1.0.5",), "aa:bb:cc:dd:ee:f0", ("web",)),))
    assert parse_network.networks([], aliases=["web"]) == ("bridge", (NetworkOption("bridge", aliases=("web",)),))
    both = parse_network.networks(["front", "back"], aliases=["web"])[1]
    assert [one.aliases for one in both] == [("web",), ("web",)]


@pytest.mark.parametrize("texts", [["none", "front"], ["front", "host"], ["container:"], ["ns:rel"], [""], ["a,"], ["a,none"],
                                   ["a:"], ["a:ip"], ["a:ip="], ["a:ip=x"], ["a:b=c"], ["a:mac=1"], ["a:interface_name=a/b"],
                                   ["pasta:x"], ["slirp4netns"]])
def test_bad_networks(texts: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_network.networks(texts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["none", "host", "container:x"])
def test_what_needs_a_network_says_so(mode: str) -> None:
    with pytest.raises(InvalidInput, match="need a named network"):
        parse_network.networks([mode], addresses=["10.0.0.1"])


@pytest.mark.parametrize(("text", "ports"), [
    ("80", [(80, 0, "", "tcp")]),
    ("8080:80", [(80, 8080, "", "tcp")]),
    ("8080:80/udp", [(80, 8080, "", "udp")]),
    ("8080:80/TCP", [(80, 8080, "", "tcp")]),
    ("127.0.0.1:8080:80", [(80, 8080, "127.0.0.1", "tcp")]),
    ("0.0.0.0:8080:80", [(80, 8080, "", "tcp")]),
    ("127.0.0.1::80", [(80, 0, "127.0.0.1", "tcp")]),
    (":80", [(80, 0, "", "tcp")]),
    ("[::1]:8080:80", [(80, 8080, "::1", "tcp")]),
    ("[::1]::80/sctp", [(80, 0, "::1", "sctp")]),
    ("[2001:DB8:0::1]:8080:80", [(80, 8080, "2001:db8::1", "tcp")]),
    ("80-82", [(80, 0, "", "tcp"), (81, 0, "", "tcp"), (82, 0, "", "tcp")]),
    ("8000-8001:80-81", [(80, 8000, "", "tcp"), (81, 8001, "", "tcp")]),
    ("127.0.0.1:8000-8001:80-81/udp", [(80, 8000, "127.0.0.1", "udp"), (81, 8001, "127.0.0.1", "udp")]),
])
def test_publish(text: str, ports: list[tuple[int, int, str, str]]) -> None:
    assert [tuple(port) for port in parse_network.publish(text)] == ports


@pytest.mark.parametrize("text", ["", ":", "x", "0", "65536", "0:80", "65536:80", "80:", "80/icmp", "80/", "1:2:3:4", "::1:80:80",
                                  "[::1:80", "[::1]80", "[x]:80:80", "300.0.0.1:80:80", "host:80:80", "8000-8002:80-81", "90-80",
                                  "8-:8", "-8:8", "8080:80-81", "08080808:80", "²:80", "80:80\n"])
def test_bad_publish(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_network.publish(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "numbers"), [("80", [80]), ("80/udp", [80]), ("80-82/tcp", [80, 81, 82])])
def test_expose(text: str, numbers: list[int]) -> None:
    assert parse_network.expose(text) == text
    assert [port.container_port for port in network_options.exposed_ports(text)] == numbers


@pytest.mark.parametrize(("function", "text"), [
    *[(parse_network.expose, t) for t in ("", "0", "x", "80/x", "3-1", "70000")],
    *[(parse_network.mac, t) for t in ("", "1", "aa:bb:cc:dd:ee", "aa:bb:cc:dd:ee:gg", "01:00:5e:00:00:01")],
    *[(parse_network.alias, t) for t in ("", "a b", "a#b", "a\nb", "x" * 254)],
    *[(parse_network.interface, t) for t in ("", "x" * 16, "a b", "a/b", "..", "lo")],
    *[(parse_network.address, t) for t in ("", "x", "10.0.0.1/24")],
])
def test_bad_words(function: Callable[[str], object], text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        function(text)
    assert "\n" not in str(caught.value)


def test_interfaces_are_counted_past_those_that_were_named() -> None:
    options = ContainerOptions(networks=(NetworkOption("a"), NetworkOption("b", interface="eth0"), NetworkOption("c")))
    assert [(name, wish.interface) for name, wish in network_options.wishes(options)] == [("a", "eth1"), ("b", "eth0"), ("c", "eth2")]


def test_options_come_back_from_the_index() -> None:
    import json

    from conman_kernel.containers.rows import options_json
    from conman_kernel.oci.runtime.options import from_json

    options = ContainerOptions(network="bridge", networks=(NetworkOption("a", ("10.0.0.2",), "", ("x", "y")),),
                               ports=(PublishedPort(80, 8080, "::1", "udp"),), publish_all=True, expose=("81",), no_hosts=True)
    assert from_json(json.loads(options_json(options))) == options
