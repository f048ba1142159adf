"""Published ports: reached from everywhere, where they were published, and nowhere any more once the container has left."""

from __future__ import annotations

import time

import pytest

from ....slots.network import Port
from .bench import HERE, HOST, HOST6, QUIET, Site, asked, plain, port, talking
from .packets import with_ipv6

MANY = 1000
MOST_SECONDS = 8.0
"""That a thousand ports may take; one program for each of them takes longer."""


class Ports:
    """What ``-p`` relies on."""

    def test_a_port_is_reached_from_everywhere(self, live: Site) -> None:
        """``host_address`` empty: "all of them": from outside, from the host by any of its addresses and by 127.0.0.1, from other
        containers, and from the container itself."""
        network, other = live.network(), live.network("other")
        joined = live.join(network, ports=(port(8080),))
        live.join(network, "near")
        far = live.join(other, "far")
        outside = live.reach_outside()
        with talking(live.space("box"), 80):
            assert asked(outside, HOST, 8080)[0] == "hello", "from outside"
            for address in ("127.0.0.1", HOST, joined.gateways[0]):
                assert asked(None, address, 8080)[0] == "hello", f"from the host by {address}"
            for name in ("near", "far", "box"):
                assert asked(live.space(name), joined.gateways[0], 8080)[0] == "hello", f"from the container {name}"
            assert asked(live.space("far"), far.gateways[0], 8080)[0] == "hello", "by another network's gateway"

    def test_who_asks_is_seen(self, live: Site) -> None:
        """The container sees who asked from outside: logs and access lists of servers rely on it."""
        network = live.network()
        live.join(network, ports=(port(8080),))
        outside = live.reach_outside()
        with talking(live.space("box"), 80):
            assert asked(outside, HOST, 8080) == ("hello", "192.0.2.2")

    def test_ports_of_udp(self, live: Site) -> None:
        """``protocol``: udp is published as udp, and only so; a flow that went astray before takes the new way."""
        network = live.network()
        outside = live.reach_outside()
        assert asked(outside, HOST, 5353, udp=True, patience=QUIET)[0] == ""
        live.join(network, ports=(port(5353, 53, "udp"),))
        with talking(live.space("box"), 53, udp=True), talking(live.space("box"), 53, "tcp"):
            assert asked(outside, HOST, 5353, udp=True)[0] == "hello"
            assert asked(None, "127.0.0.1", 5353, udp=True)[0] == "hello"
            assert asked(outside, HOST, 5353, patience=QUIET)[0] == ""

    def test_a_flow_of_udp_follows_the_port(self, live: Site) -> None:
        """The next container with a port gets what a client sends on the flow that it had with the one before: a resolver keeps
        its socket for hours."""
        import socket

        network = live.network()
        outside = live.reach_outside()
        with outside.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as plug:
            plug.settimeout(5.0)
            plug.connect((HOST, 5353))
            for name in ("one", "two"):
                live.join(network, name, ports=(port(5353, 53, "udp"),))
                with talking(live.space(name), 53, name, udp=True):
                    plug.send(b"?")
                    assert plug.recv(100).startswith(name.encode())
                live.leave(name)

    def test_ports_of_sctp(self, live: Site) -> None:
        """``protocol``: sctp is taken as the others are (whether the host's kernel speaks it is its own affair), and given
        back."""
        network = live.network()
        before = live.facts()
        live.join(network, ports=(port(9999, 99, "sctp"),))
        live.leave()
        after = {name: [line for line in lines if "sctp" in line or "9999" in line] for name, lines in live.facts().items()}
        assert before["links"] == ["lo"] and not any(after.values())

    def test_a_port_of_one_address(self, live: Site) -> None:
        """``host_address``: "on which of the host's addresses": a port of 127.0.0.1 is not for the outside."""
        network = live.network()
        live.join(network, ports=(port(8080, host="127.0.0.1"), port(8081, host=HOST)))
        outside = live.reach_outside()
        with talking(live.space("box"), 80):
            assert asked(None, "127.0.0.1", 8080)[0] == "hello" and asked(outside, HOST, 8081)[0] == "hello"
            assert asked(outside, HOST, 8080, patience=QUIET)[0] == "" and asked(None, "127.0.0.1", 8081, patience=QUIET)[0] == ""

    def test_a_container_cannot_reach_the_hosts_loopback(self, live: Site) -> None:
        """What makes ports of 127.0.0.1 work must not let containers in to what the host serves there for itself alone."""
        network = live.network()
        joined = live.join(network, ports=(port(8080),))
        space = live.space("box")
        space.tool("ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
        for line in ("ip route flush table local", f"ip route add 127.0.0.0/8 via {joined.gateways[0]} dev eth0",
                     f"ip route add local {plain(joined.addresses[0])} dev eth0 table local"):
            space.tool(*line.split())
        space.call(lambda: _write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1"))
        with talking(HERE, 7070, "secret", address="127.0.0.1"):
            assert asked(None, "127.0.0.1", 7070)[0] == "secret"
            assert asked(space, "127.0.0.1", 7070, patience=QUIET)[0] == ""

    def test_ports_of_ipv6(self, live: Site) -> None:
        """A port of all addresses is published on those of IPv6, too, where the network has any; a named one on that alone."""
        network = with_ipv6(live)
        joined = live.join(network, ports=(port(8080), port(8081, host=HOST6), port(8082, host=HOST)))
        outside = live.reach_outside()
        with talking(live.space("box"), 80, address="::"):
            assert asked(outside, HOST6, 8080)[0] == "hello" and asked(outside, HOST, 8080)[0] == "hello"
            assert asked(None, HOST6, 8080)[0] == "hello" and asked(live.space("box"), joined.gateways[1], 8080)[0] == "hello"
            assert asked(outside, HOST6, 8081)[0] == "hello" and asked(outside, HOST, 8081, patience=QUIET)[0] == ""
            assert asked(outside, HOST6, 8082, patience=QUIET)[0] == ""

    def test_ports_end_with_the_container(self, live: Site) -> None:
        """After ``leave`` nobody answers, at once; the next container with that port gets what comes."""
        network = live.network()
        outside = live.reach_outside()
        for name in ("one", "two"):
            live.join(network, name, ports=(port(8080),))
            with talking(live.space(name), 80, name):
                assert asked(outside, HOST, 8080)[0] == name and asked(None, "127.0.0.1", 8080)[0] == name
                live.leave(name)
                assert asked(outside, HOST, 8080, patience=QUIET)[0] == ""
                assert asked(None, "127.0.0.1", 8080, patience=QUIET)[0] == ""

    @pytest.mark.parametrize("shift", [0, 1], ids=["same", "shifted"])
    def test_a_thousand_ports(self, live: Site, shift: int) -> None:
        """"Ranges are many of these": a thousand ports are published, and taken back, within seconds; each leads to its own."""
        network = live.network()
        ports = tuple(Port("", 20000 + number, 20000 + number + shift) for number in range(MANY))
        started = time.monotonic()
        live.join(network, ports=ports)
        took = time.monotonic() - started
        for number in (0, MANY // 2, MANY - 1):
            with talking(live.space("box"), 20000 + number + shift, str(number)):
                assert asked(None, "127.0.0.1", 20000 + number)[0] == str(number)
        started = time.monotonic()
        live.leave()
        assert max(took, time.monotonic() - started) < MOST_SECONDS

    def test_ports_beside_each_other(self, live: Site) -> None:
        """Several containers, several ports each, some of one number by other protocols and addresses: each leads to its own."""
        network = live.network()
        live.join(network, "one", ports=(port(8080, 81), port(8081, 80), port(8082, 81), port(8080, 53, "udp")))
        live.join(network, "two", ports=(port(8083), port(8084, 81, host="127.0.0.1"), port(8081, 53, "udp")))
        with talking(live.space("one"), 80, "one-80"), talking(live.space("one"), 81, "one-81"), \
                talking(live.space("two"), 80, "two-80"), talking(live.space("two"), 81, "two-81"), \
                talking(live.space("one"), 53, "one-udp", udp=True), talking(live.space("two"), 53, "two-udp", udp=True):
            found = {number: asked(None, "127.0.0.1", number)[0] for number in range(8080, 8085)}
            assert found == {8080: "one-81", 8081: "one-80", 8082: "one-81", 8083: "two-80", 8084: "two-81"}
            assert asked(None, "127.0.0.1", 8080, udp=True)[0] == "one-udp"
            assert asked(None, "127.0.0.1", 8081, udp=True)[0] == "two-udp"


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
