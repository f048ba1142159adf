"""The slot ``conman.network``: what joins a container's network namespace to named networks.

A *network* is a row of the kernel's index: name, id, subnets, options. The plugin completes what was asked for
(:meth:`NetworkDriver.define`), joins a pinned network namespace to it and lets go of it again; whatever it must know for that
later it returns as an opaque ``state``, which the kernel keeps with the container and hands back. So a plugin has nothing to
remember but what its host's tools keep themselves, and that lies below its ``state_dir`` and ``run_dir``.

Promises. ``join`` is whole or absent: where it raises, addresses, interfaces and rules are given back, and so they are where the
command was killed in the middle and ``leave`` is called for what ``join`` never returned (the kernel writes down that it is about
to join before it calls). ``leave`` and ``remove`` may be repeated, and work without the namespace (after the container's end),
without the state, and after a reboot that took interfaces and rules away. Calls may come at once, for one network too, from
threads and processes. Nothing of other programs' interfaces, rules and addresses is changed.
"""

from __future__ import annotations

from typing import Protocol

from ..cancel import Cancel
from ..record import Record

API = 1
"""The version of this slot. A plugin writes in its provider the number that it was written for, never this name."""


class Subnet(Record):
    """A range of addresses of a network.

    :param subnet: in CIDR form, ``10.89.0.0/24`` or ``fd00:1::/64``; its host bits are zero.
    :param gateway: the host's address in it; empty: the plugin's choice (in what :meth:`NetworkDriver.define` returns it is set,
        unless the network is internal and the plugin gives it none).
    :param first: the lowest address that is given out by itself, ``last`` the highest; empty: all but gateway and broadcast. An
        address that is wished for may lie outside of them.
    """

    subnet: str
    gateway: str = ""
    first: str = ""
    last: str = ""


class Network(Record):
    """A network, as the kernel keeps it.

    :param name: as people call it.
    :param id: 64 hexadecimal digits.
    :param driver: ``bridge``, or another kind that the plugin offers (:attr:`NetworkDriver.drivers`).
    :param subnets: in the order of preference; empty in what is asked for: the plugin picks one that is free.
    :param interface: name of the host's interface, 15 bytes at most; empty: the plugin's choice.
    :param internal: no way out of it, to the outside or to other networks, and no published ports.
    :param ipv6: where the plugin picks subnets, one of IPv6, too.
    :param options: of the driver, such as ``mtu``; name and value.
    """

    name: str
    id: str
    driver: str = "bridge"
    subnets: tuple[Subnet, ...] = ()
    interface: str = ""
    internal: bool = False
    ipv6: bool = False
    options: tuple[tuple[str, str], ...] = ()


class Port(Record):
    """One published port. Ranges are many of these.

    :param host_address: on which of the host's addresses; empty: all of them.
    :param host_port: 1 to 65535, never 0: the kernel has chosen by now.
    :param container_port: 1 to 65535.
    :param protocol: ``tcp``, ``udp`` or ``sctp``.
    """

    host_address: str
    host_port: int
    container_port: int
    protocol: str = "tcp"


class DefineRequest(Record):
    """Complete a network that is to be made.

    :param wanted: what was asked for.
    :param others: every network that there is already, of whatever plugin.
    """

    wanted: Network
    others: tuple[Network, ...]
    cancel: Cancel


class JoinRequest(Record):
    """Join a container to a network.

    :param network: as :meth:`NetworkDriver.define` returned it.
    :param container: its id, 64 hexadecimal digits; ``name``: what people call it.
    :param namespace: path of its pinned network namespace. Its loopback interface is up.
    :param interface: what the container calls the interface: ``eth0``, ``eth1``, ...
    :param addresses: wished for, one a subnet at most; empty: any free one.
    :param mac: wished for, ``aa:bb:cc:dd:ee:ff``; empty: any.
    :param ports: to publish. Only given for one network of the container.
    :param aliases: further names of the container in this network, for plugins that resolve names.
    """

    network: Network
    container: str
    name: str
    namespace: str
    interface: str
    cancel: Cancel
    addresses: tuple[str, ...] = ()
    mac: str = ""
    ports: tuple[Port, ...] = ()
    aliases: tuple[str, ...] = ()


class Joined(Record):
    """What a container has got in a network.

    :param addresses: with the length of the prefix, ``10.89.0.2/24``; at least one.
    :param gateways: through which it reaches others; empty for an internal network.
    :param mac: of its interface.
    :param state: whatever ``leave`` will want to know, text of at most 1 MiB. The kernel does not look into it.
    :param dns: name servers that know the network's names, where the plugin brings any; they are written to the container's
        ``resolv.conf`` before others. Otherwise names are resolved by the ``/etc/hosts`` that the kernel writes.
    """

    addresses: tuple[str, ...]
    gateways: tuple[str, ...]
    mac: str
    state: str
    dns: tuple[str, ...] = ()


class LeaveRequest(Record):
    """Take a container out of a network.

    :param joining: as it was joined; its ``namespace`` is empty where that is gone.
    :param state: as ``join`` returned it; empty where nobody saw it return.
    """

    joining: JoinRequest
    state: str
    cancel: Cancel


class RemoveRequest(Record):
    """Remove what the host has of a network that no container is in."""

    network: Network
    cancel: Cancel


class NetworkDriver(Protocol):
    """Networks of one host."""

    @property
    def drivers(self) -> tuple[str, ...]:
        """The kinds of network it offers, the default first. Does no I/O."""
        ...

    def define(self, request: DefineRequest) -> Network:
        """Check what was asked for and fill in the rest: subnets, gateways, the interface's name, options. Changes nothing.

        :returns: the network as it is to be kept; name and id as they were asked for.
        :raises InvalidInput: an unknown driver or option, an address outside its subnet, a subnet that is none.
        :raises AlreadyExists: a subnet overlaps another network's or one that the host routes elsewhere, or the interface is
            another one's; the message names whose.
        :raises Unavailable: no subnet is free.
        """
        ...

    def join(self, request: JoinRequest) -> Joined:
        """Give a namespace an interface in a network, with addresses, routes and published ports. The host's side of the network
        is made where it is not there (the first one to join, or after a reboot). A container's way out is the first of its
        networks that has one; where that is left, another one's.

        :raises InvalidInput: an address outside the subnets, or the gateway's; ports of an internal network.
        :raises AlreadyExists: an address, a mac address or the interface is in use.
        :raises Unavailable: a tool is missing (the hint says what brings it) or failed, in its own words.
        """
        ...

    def leave(self, request: LeaveRequest) -> None:
        """Give back what :meth:`join` gave. Nothing there is no error; nor is a namespace that is gone.

        :raises Unavailable: a tool is missing or failed; what could be given back was.
        """
        ...

    def remove(self, request: RemoveRequest) -> None:
        """Remove the host's side of a network (its bridge). Nothing there is no error.

        :raises Unavailable: as :meth:`leave`.
        """
        ...
