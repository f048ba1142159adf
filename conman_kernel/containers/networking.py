"""The networks of one start and of one end: what they cost is waited for beside everything else that is to be done."""

from __future__ import annotations

import os
import threading
from typing import Callable, Mapping, Sequence

from ..cancel import Cancel
from ..errors import ConmanError, InvalidInput
from ..networks import hosts, membership, namespaces, ports
from ..networks.membership import Member
from ..networks.rows import Membership, NetworkRow, of_container
from ..slots.network import Joined
from . import rows
from .bundle import own_hostname, with_defaults
from .context import Context
from .network_options import slot_ports
from .rows import ContainerRow

GATEWAY = "host-gateway"
"""docker's word for the host, in the place of an address."""

_LIVING = ("starting", "initialized", "running", "paused")


class Beside:
    """Work in a thread of its own. Its token is its own, too: whoever gives up waits for it all the same."""

    __slots__ = ("_done", "_error", "_thread", "cancel")

    def __init__(self, work: Callable[[Cancel], object]) -> None:
        self.cancel = Cancel()
        self._done = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._error: BaseException | None = None

        def act() -> None:
            try:
                work(self.cancel)
            except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
                self._error = error
            finally:
                os.eventfd_write(self._done, 1)

        self._thread = threading.Thread(target=act, name="conman-network")
        self._thread.start()

    def wait(self, cancel: Cancel) -> None:
        """Wait for the end.

        :raises ConmanError: what the work raised.
        :raises Cancelled, DeadlineExceeded: by ``cancel``; the work goes on until :meth:`abandon`.
        """
        cancel.wait_readable(self._done)
        self.abandon(stop=False)
        if self._error is not None:
            raise self._error

    def abandon(self, *, stop: bool = True) -> None:
        """Have it stop, and wait until it has. May be called twice."""
        if stop:
            self.cancel.cancel()
        self._thread.join()
        done, self._done = self._done, -1
        if done >= 0:
            os.close(done)


class Joining:
    """The networks of a container that is being started. Made with its row ``starting``; ended by :meth:`finish`, or by
    :meth:`abandon`, after which :func:`leave` gives back what there is."""

    def __init__(self, context: Context, row: ContainerRow, cancel: Cancel) -> None:
        self._context = context
        self._row = row
        self._means = context.networks.means
        self._member = Member(row.id, row.name, slot_ports(row.parsed_options()))
        self._got: list[Joined] = []
        self._work: Beside | None = None
        self._pinning: namespaces.Pinning | None = None
        self.held: list[int] = []
        """Sockets on the published ports, for the shim to hold."""
        self._memberships, self._networks = self._intend(cancel)

    def _intend(self, cancel: Cancel) -> tuple[list[Membership], list[NetworkRow]]:
        """Say in the index that networks are about to be joined; what a failed end has left is given back first."""
        means = self._means
        left = membership.joined_ones(means, self._row.id)
        if left:
            membership.leave(means, left, cancel)
        namespaces.unpin(means.namespace(self._row.id))
        with means.index.write() as connection:
            found = of_container(connection, self._row.id)
            networks = membership.networks_of(connection, found)
            membership.intend(connection, self._member, found, networks)
        return found, networks

    def begin(self, cancel: Cancel) -> None:
        """Take the ports, pin the namespace and begin to join; returns once the namespace is there."""
        means = self._means
        self._pinning = namespaces.Pinning(means.namespace(self._row.id))
        try:
            if self._networks:
                ipv6 = any(":" in subnet.subnet for network in self._networks for subnet in network.network.subnets)
                self.held = ports.hold(means, self._member.ports, ipv6=ipv6, container=self._row.id)
            for network in self._networks:  # loaded while the namespace is being made
                means.driver(network.plugin)
        finally:
            pinning, self._pinning = self._pinning, None
            pinning.wait(cancel)
        if self._networks:
            self._work = Beside(self._join)

    def _join(self, cancel: Cancel) -> None:
        self._got = membership.join(self._means, self._member, self._memberships, self._networks, cancel)

    def finish(self, cancel: Cancel) -> None:
        """Wait until the container is in its networks, and is known there by name.

        :raises ConmanError: the plugin's.
        """
        if self._work is not None:
            self._work.wait(cancel)
            self._work = None
        options = self._row.parsed_options()
        if any(address == GATEWAY for _, address in options.add_hosts) and not any(one.gateways for one in self._got):
            raise InvalidInput(f"container {self._row.name}: unable to replace {GATEWAY!r} of --add-host: its networks have no "
                               "way to the host", hint="write an address")
        servers = tuple(dict.fromkeys(server for one in self._got for server in one.dns))
        if servers and not options.dns:
            _write_resolv(self._context, self._row, servers)
        tell_names(self._context, [one.network for one in self._memberships])

    def release(self) -> None:
        """The sockets are the shim's now (or nobody's). May be called twice."""
        ports.release(self.held)

    def abandon(self) -> None:
        """Stop whatever is under way, and wait for that. May be called twice, and after :meth:`finish`."""
        self.release()
        if self._work is not None:
            self._work.abandon()
            self._work = None


def leave(context: Context, row: ContainerRow, cancel: Cancel, *, must: bool = False) -> None:
    """Give back what a container has of networks, and its pinned namespace. Its process has ended. Nothing there is no error.

    :param must: False: what fails is reported to the log, and stays in the index for the next start, or the removal.
    :raises ConmanError: the first failure, with ``must``.
    """
    means = context.networks.means
    left = membership.joined_ones(means, row.id)
    try:
        membership.leave(means, left, cancel)
    except ConmanError as error:
        if must:
            raise
        context.log.warning("container %s: what it has of its networks cannot be given back now: %s", row.name, error)
    finally:
        namespaces.unpin(means.namespace(row.id))
    if left:
        tell_names(context, [one.network for one in left])


def tell_names(context: Context, networks: Sequence[str]) -> None:
    """Write who is there into the hosts files of the running containers of networks."""
    if networks:
        hosts.update(context.networks.means, _seen(context), networks)


def _seen(context: Context) -> Mapping[str, hosts.Seen]:
    with context.index.read() as connection:
        found = rows.select(connection, _LIVING)
    return {row.id: _one(context, row) for row in found}


def _one(context: Context, row: ContainerRow) -> hosts.Seen:
    options = with_defaults(context, row.parsed_options())
    return hosts.Seen(row.id, row.name, own_hostname(context, row, options),
                      tuple(name for name, address in options.add_hosts if address == GATEWAY))


def _write_resolv(context: Context, row: ContainerRow, servers: tuple[str, ...]) -> None:
    """Name servers that know the network's names come first; the file is shown in the container already."""
    path = context.layout.container_run(row.id) + "/resolv.conf"
    with open(path, "r+b") as stream:
        lines = stream.read().splitlines(keepends=True)
        stream.seek(0)
        stream.write(b"".join([line for line in lines if not line.startswith(b"nameserver")]
                              + [f"nameserver {server}\n".encode() for server in servers]
                              + [line for line in lines if line.startswith(b"nameserver")]))
        stream.truncate()
