"""Network plugins on paper that break one promise each, and the kit's tests that must see it. Run by test_broken.py; not collected by itself."""

from __future__ import annotations

import os

import pytest

from conman_kernel.errors import AlreadyExists, InvalidInput, Unavailable
from conman_kernel.slots.network import API, LeaveRequest, Subnet
from conman_kernel.slots.provider import NoOptions, provider
from conman_kernel.testing.kits import NetworkContract
from conman_kernel.testing.paper_network import PaperNetwork

KIT = NetworkContract


class SoundPaper(PaperNetwork):
    """Breaks nothing."""

    def mark(self, name):
        """A file of its own."""
        os.makedirs(self._folder, exist_ok=True)
        return f"{self._folder}/{name}"


class ListsItsDrivers(SoundPaper):
    """In a list."""

    drivers = ["bridge"]  # type: ignore[assignment]


class NoGateways(SoundPaper):
    """It leaves them open."""

    def define(self, request):
        made = super().define(request)
        return made._replace(subnets=tuple(subnet._replace(gateway="") for subnet in made.subnets))


class OwnSubnets(SoundPaper):
    """It knows better."""

    def define(self, request):
        super().define(request)
        return super().define(request._replace(wanted=request.wanted._replace(subnets=())))


class NumbersAnew(SoundPaper):
    """Whatever was asked for, the interface is the next one."""

    def define(self, request):
        made = super().define(request)
        return made._replace(interface=f"{made.interface}x")


class WritesEarly(SoundPaper):
    """A network that nobody has joined is written down."""

    def define(self, request):
        self.mark("")
        return super().define(request)


class Alone(SoundPaper):
    """There are no other networks."""

    def define(self, request):
        return super().define(request._replace(others=()))


class KnowsItsOwn(SoundPaper):
    """Networks of other plugins are none."""

    def define(self, request):
        return super().define(request._replace(others=tuple(one for one in request.others if one.driver in self.drivers)))


class OnlyIpv4(SoundPaper):
    """IPv6 is passed over in silence."""

    def define(self, request):
        return super().define(request._replace(wanted=request.wanted._replace(ipv6=False)))


class TakesAnySubnet(SoundPaper):
    """What is no subnet is kept as it was typed."""

    def define(self, request):
        try:
            return super().define(request)
        except InvalidInput:
            return request.wanted._replace(interface="paper0")


class TellsAll(SoundPaper):
    """The message has everything that was asked for in it."""

    def define(self, request):
        if len(request.wanted.subnets) > 100:
            raise InvalidInput(f"too many: {request.wanted.subnets}")
        return super().define(request)


class NamesNobody(SoundPaper):
    """It is taken; by whom is a secret."""

    def define(self, request):
        try:
            return super().define(request)
        except AlreadyExists:
            raise AlreadyExists("it is taken") from None


class PassesOverWords(SoundPaper):
    """What it does not know it does not see."""

    def define(self, request):
        return super().define(request._replace(wanted=request.wanted._replace(driver="bridge", options=())))


class AnyInterface(SoundPaper):
    """A name is a name."""

    def define(self, request):
        return super().define(request._replace(wanted=request.wanted._replace(interface="")))._replace(interface=request.wanted.interface or "p0")


class SharesInterfaces(SoundPaper):
    """Two networks may have one."""

    def define(self, request):
        return super().define(request._replace(others=tuple(one._replace(interface="") for one in request.others)))


class NoPrefix(SoundPaper):
    """Addresses are plain."""

    def join(self, request):
        joined = super().join(request)
        return joined._replace(addresses=tuple(one.partition("/")[0] for one in joined.addresses))


class NamesMore(SoundPaper):
    """It will offer that, too."""

    drivers = ("bridge", "overlay")


class FirstSubnetOnly(SoundPaper):
    """One address is enough."""

    def join(self, request):
        return super().join(request._replace(network=request.network._replace(subnets=request.network.subnets[:1])))


class EachForItself(SoundPaper):
    """Containers do not know of each other."""

    def join(self, request):
        return super().join(request._replace(network=request.network._replace(id=request.container)))

    def leave(self, request):
        joining = request.joining
        super().leave(request._replace(joining=joining._replace(network=joining.network._replace(id=joining.container))))


class NoWishes(SoundPaper):
    """It gives what it has."""

    def join(self, request):
        return super().join(request._replace(addresses=(), mac=""))


class TakesTheFirst(SoundPaper):
    """Of two addresses."""

    def join(self, request):
        return super().join(request._replace(addresses=request.addresses[:1]))


class AnotherMac(SoundPaper):
    """Whoever cannot have the mac address gets another one."""

    def join(self, request):
        try:
            return super().join(request)
        except AlreadyExists as error:
            if "mac" not in error.message:
                raise
            return super().join(request._replace(mac=""))


class TakesItsPlace(SoundPaper):
    """An interface that is there goes."""

    def join(self, request):
        super().leave(LeaveRequest(request, "", request.cancel))
        return super().join(request)


class NoRanges(SoundPaper):
    """The whole subnet is given out."""

    def join(self, request):
        subnets = tuple(Subnet(one.subnet, one.gateway) for one in request.network.subnets)
        return super().join(request._replace(network=request.network._replace(subnets=subnets)))


class RangesForAll(SoundPaper):
    """Who wishes is given of the same."""

    def join(self, request):
        first = request.network.subnets[0].first
        return super().join(request._replace(addresses=(first,) if first and request.addresses else request.addresses))


class GatewayToo(SoundPaper):
    """The gateway's address is one like others."""

    def join(self, request):
        network = request.network
        return super().join(request._replace(network=network._replace(subnets=tuple(one._replace(gateway="") for one in network.subnets))))


class PublishesNothing(SoundPaper):
    """Ports of an internal network are forgotten."""

    def join(self, request):
        return super().join(request._replace(ports=() if request.network.internal else request.ports))


class ClaimsFirst(SoundPaper):
    """The address is taken, then the namespace is looked for."""

    def join(self, request):
        joined = super().join(request._replace(namespace="/proc/self/ns/net"))
        if not os.path.exists(request.namespace):
            raise Unavailable("there is no namespace")
        return joined


class NamesAreFiles(SoundPaper):
    """Each container has a file of its name."""

    def join(self, request):
        with open(self.mark(request.name), "w", encoding="utf-8"):
            return super().join(request)


class OneEach(SoundPaper):
    """A container is in one network."""

    def join(self, request):
        if request.interface != "eth0":
            raise AlreadyExists("it is in one already")
        return super().join(request)


class Prints(SoundPaper):
    """It tells what it does."""

    def join(self, request):
        os.write(1, b"joined\n")
        return super().join(request)


class WritesHome(SoundPaper):
    """Its notes lie where the person lives."""

    def join(self, request):
        with open(os.path.join(os.environ["HOME"], "notes"), "a", encoding="utf-8"):
            return super().join(request)


TABLE: dict[type[SoundPaper], tuple[str, ...]] = {
    SoundPaper: (),
    ListsItsDrivers: ("test_its_drivers_are_told",),
    NoGateways: ("test_the_rest_is_filled_in",),
    OwnSubnets: ("test_what_was_asked_for_is_kept",),
    NumbersAnew: ("test_a_whole_network_stays_as_it_is",),
    WritesEarly: ("test_it_changes_nothing",),
    Alone: ("test_many_networks_are_apart", "test_overlaps_are_refused_and_named"),
    KnowsItsOwn: ("test_other_plugins_networks_count",),
    OnlyIpv4: ("test_ipv6_where_it_is_wished",),
    TakesAnySubnet: ("test_what_is_no_subnet_is_refused",),
    TellsAll: ("test_very_many_subnets_are_refused_or_kept",),
    NamesNobody: ("test_overlaps_are_refused_and_named", "test_an_interface_of_another_network_is_refused"),
    PassesOverWords: ("test_what_it_does_not_know_is_refused",),
    AnyInterface: ("test_what_is_no_interface_is_refused",),
    SharesInterfaces: ("test_an_interface_of_another_network_is_refused",),
    NoPrefix: ("test_a_container_gets_an_address_of_each_subnet",),
    NamesMore: ("test_every_kind_that_it_names_works",),
    FirstSubnetOnly: ("test_a_container_gets_one_of_each_kind",),
    EachForItself: ("test_containers_get_addresses_of_their_own", "test_an_address_in_use_is_refused", "test_one_of_many_gets_an_address"),
    NoWishes: ("test_wishes_are_kept", "test_an_address_that_cannot_be_is_refused", "test_a_mac_address_that_cannot_be_is_refused"),
    TakesTheFirst: ("test_two_addresses_of_one_subnet_are_refused",),
    AnotherMac: ("test_a_mac_address_in_use_is_refused",),
    TakesItsPlace: ("test_an_interface_in_use_is_refused",),
    NoRanges: ("test_a_range_is_kept_to_and_ends",),
    RangesForAll: ("test_a_wish_may_lie_outside_of_the_range",),
    GatewayToo: ("test_a_gateway_in_the_range_is_not_given_out",),
    PublishesNothing: ("test_ports_of_an_internal_network_are_refused",),
    ClaimsFirst: ("test_a_namespace_that_is_none_leaves_nothing",),
    NamesAreFiles: ("test_odd_names_are_only_names",),
    OneEach: ("test_a_container_may_be_in_several_networks",),
    Prints: ("test_it_prints_nothing_and_stays_where_it_is",),
    WritesHome: ("test_nothing_outside_its_folders_is_written",),
}
"""A broken plugin, and the tests that must fail on it; none: the whole kit passes."""

NOT_SHOWN = ()


def _contract(broken):
    class Broken(NetworkContract):
        @pytest.fixture
        def provider(self):
            return provider(api=API, summary="broken", options=NoOptions, open=lambda context: broken(context.run_dir))

        @pytest.fixture
        def packets(self):
            return False

    return Broken


for one in TABLE:
    globals()[f"Test{one.__name__}"] = _contract(one)
