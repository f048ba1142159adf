"""Network plugins that move packets and break one promise each: cni-network with something left out. Run by test_broken.py."""

from __future__ import annotations

import json
import threading
from typing import ClassVar
from unittest import mock

import pytest

from conman_cni_network import Options, look, netlink, rules
from conman_cni_network.driver import CniNetwork
from conman_cni_network.tables import Tables
from conman_kernel.errors import InvalidInput
from conman_kernel.slots.network import API
from conman_kernel.slots.provider import provider
from conman_kernel.testing.kits import NetworkContract
from conman_kernel.testing.kits.network import ports
from conman_kernel.testing.namespaces import tool

KIT = NetworkContract


class Sound(CniNetwork):
    """Breaks nothing. ``patched``: what stands in for parts of it while it joins."""

    patched: ClassVar[tuple[tuple[object, str, object], ...]] = ()

    def join(self, request):
        patches = [mock.patch.object(*one) for one in self.patched]
        for one in patches:
            one.start()
        try:
            return super().join(request)
        finally:
            for one in patches:
                one.stop()


def without(unwanted):
    """The rules of a network, but for some."""
    real = rules.of_network
    return ((rules, "of_network", lambda network, ip: tuple(rule for rule in real(network, ip) if not unwanted(rule))),)


class SeesNoRoutes(Sound):
    """The host's routes are its own affair."""

    def define(self, request):
        with mock.patch.object(look, "here", lambda: look.Table((), (), {})):
            return super().define(request)


class ClosesAllPorts(Sound):
    """Who leaves takes all ports with it."""

    def leave(self, request):
        super().leave(request)
        tool("iptables", "-t", "nat", "-F", "CONMAN-DNAT")


class SweepsTheFloor(Sound):
    """Nobody else has rules."""

    def remove(self, request):
        super().remove(request)
        tool("iptables", "-F", "FORWARD")


class TrustsPaths(Sound):
    """A path is a namespace."""

    def leave(self, request):
        with mock.patch.object(look, "is_namespace", lambda path: True):
            super().leave(request)


class KeepsThemApart(Sound):
    """Containers reach the host alone."""

    def join(self, request):
        joined = super().join(request)
        pair = json.loads(joined.state)["result"]["interfaces"][1]["name"]
        tool("ip", "link", "set", pair, "type", "bridge_slave", "isolated", "on")
        return joined


class NoAddressOfItsOwn(Sound):
    """The host is not in the network."""

    def join(self, request):
        joined = super().join(request)
        tool("ip", "addr", "flush", "dev", request.network.interface)
        return joined


class NeverMasquerades(Sound):
    """Everybody knows the containers' addresses."""

    patched = without(lambda rule: rule.target == "MASQUERADE")


class AnotherMac(Sound):
    """It is nearly that one."""

    def join(self, request):
        joined = super().join(request)
        return joined._replace(mac="02:00:00:00:00:01")


class InternalIsAWord(Sound):
    """Nothing is internal."""

    def define(self, request):
        return super().define(request._replace(wanted=request.wanted._replace(internal=False)))


class TrustsRoutes(Sound):
    """An internal network has no gateway, and that is all."""

    patched = without(lambda rule: rule.target == "DROP")


class ManyDefaults(Sound):
    """Every network is the way out."""

    patched = ((look, "inside", lambda namespace: look.Table((), (), {})),)


class OneWayOut(Sound):
    """There is one, or none."""

    patched = ((netlink, "add_default", lambda interface, gateway, metric: None),)


class TrustsThePolicy(Sound):
    """Forwarding is the host's affair."""

    patched = without(lambda rule: rule.chain == rules.FORWARD)


class LooksOnce(Sound):
    """Rules that were there are there."""

    looked = False

    def join(self, request):
        if not self.looked:
            self.looked = True
            return super().join(request)
        with mock.patch.object(Tables, "finish", lambda self, running, *rest: running.kill()):
            return super().join(request)


class NoWayBack(Sound):
    """Who asks from inside gets the answer by the short way."""

    patched = without(lambda rule: "--ctstate DNAT" in rule.match)


class HidesWhoAsks(Sound):
    """Everything comes from the host."""

    def join(self, request):
        joined = super().join(request)
        tool("iptables", "-t", "nat", "-I", "CONMAN-MASQUERADE", "-o", request.network.interface, "-j", "MASQUERADE")
        return joined


class TcpAlone(Sound):
    """A port is one of tcp."""

    def join(self, request):
        return super().join(request._replace(ports=tuple(one._replace(protocol="tcp") for one in request.ports)))


class KeepsFlows(Sound):
    """A flow goes where it went."""

    patched = ((netlink, "forget_udp", lambda numbers, *, version: None),)


class NeverHeardOfSctp(Sound):
    """What is that?"""

    def join(self, request):
        if any(one.protocol == "sctp" for one in request.ports):
            raise InvalidInput("what is sctp?")
        return super().join(request)


class EveryAddress(Sound):
    """A port is for everybody."""

    def join(self, request):
        return super().join(request._replace(ports=tuple(one._replace(host_address="") for one in request.ports)))


class OpenLoopback(Sound):
    """What reaches 127.0.0.1 may."""

    patched = without(lambda rule: rule.chain == rules.INPUT)


_PUBLISH = rules.publish


class Ipv4Alone(Sound):
    """A port is one of IPv4."""

    patched = ((rules, "publish", lambda *given: _PUBLISH(*given) if given[-1] == 4 else []),)


class PortsStay(Sound):
    """Ports are left as they are."""

    def leave(self, request):
        super().leave(request._replace(joining=request.joining._replace(ports=())))


class OneByOne(Sound):
    """Each port takes its time."""

    def join(self, request):
        threading.Event().wait(0.002 * len(request.ports))
        return super().join(request)


class FirstPortOnly(Sound):
    """One is enough."""

    def join(self, request):
        return super().join(request._replace(ports=request.ports[:1]))


TABLE: dict[type[Sound], tuple[str, ...]] = {
    SeesNoRoutes: ("test_what_the_host_routes_elsewhere_is_refused",),
    ClosesAllPorts: ("test_others_keep_theirs",),
    SweepsTheFloor: ("test_what_is_not_ours_stays",),
    TrustsPaths: ("test_leaving_with_the_place_of_a_namespace",),
    KeepsThemApart: ("test_containers_reach_each_other",),
    NoAddressOfItsOwn: ("test_the_host_reaches_a_container",),
    NeverMasquerades: ("test_the_outside_is_reached", "test_the_outside_is_reached_by_ipv6"),
    AnotherMac: ("test_a_wished_mac_address_is_the_interfaces",),
    InternalIsAWord: ("test_an_internal_network_has_no_way_out",),
    TrustsRoutes: ("test_an_internal_network_cannot_be_talked_out_of",),
    ManyDefaults: ("test_the_default_route_is_the_first_networks",),
    OneWayOut: ("test_another_network_becomes_the_way_out",),
    TrustsThePolicy: ("test_forwarding_is_seen_to",),
    LooksOnce: ("test_rules_that_were_flushed_come_back",),
    NoWayBack: ("test_a_port_is_reached_from_everywhere",),
    HidesWhoAsks: ("test_who_asks_is_seen",),
    TcpAlone: ("test_ports_of_udp",),
    KeepsFlows: ("test_a_flow_of_udp_follows_the_port",),
    NeverHeardOfSctp: ("test_ports_of_sctp",),
    EveryAddress: ("test_a_port_of_one_address",),
    OpenLoopback: ("test_a_container_cannot_reach_the_hosts_loopback",),
    Ipv4Alone: ("test_ports_of_ipv6",),
    PortsStay: ("test_ports_end_with_the_container",),
    OneByOne: ("test_a_thousand_ports[same]",),
    FirstPortOnly: ("test_ports_beside_each_other",),
}
"""A broken plugin, and the tests that must fail on it."""

NOT_SHOWN = ()


def _contract(broken):
    class Broken(NetworkContract):
        @pytest.fixture(autouse=True)
        def impatient(self, monkeypatch):
            monkeypatch.setattr(ports, "MOST_SECONDS", 1.0)

        @pytest.fixture
        def provider(self):
            return provider(api=API, summary="broken", options=Options,
                            open=lambda context: broken(context.options, run_dir=context.run_dir, log=context.log))

    return Broken


for one in TABLE:
    globals()[f"Test{one.__name__}"] = _contract(one)
