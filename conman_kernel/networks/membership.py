"""Joining a container's pinned namespace to its networks, and leaving them again: the plugin is called, the index says so.

What a plugin may have done is in the index before it is called, and what it returned after; so whoever comes later, a command
after a ``kill -9`` or after a reboot, knows what to give back. ``leave`` may be repeated.
"""

from __future__ import annotations

from typing import Sequence

from ..cancel import Cancel
from ..errors import ConmanError, NotFound, PluginNotInstalled, PluginUnavailable
from ..processes import boot_id
from ..record import Record
from ..slots.network import Joined, JoinRequest, LeaveRequest, Port
from ..store.sqlite import sqlite3
from . import rows
from .means import Means
from .namespaces import is_pinned
from .rows import Membership, NetworkRow, Result


class Member(Record):
    """A container, as its networks know it.

    :param id: 64 digits. ``name``: what people call it. ``ports``: that it publishes, host ports chosen.
    """

    id: str
    name: str
    ports: tuple[Port, ...] = ()


def intend(connection: sqlite3.Connection, member: Member, memberships: Sequence[Membership],
           networks: Sequence[NetworkRow]) -> None:
    """Write down that a container is about to be joined, in the transaction that says that it starts."""
    boot, publishing = boot_id(), publisher(networks)
    for one in memberships:
        ports = member.ports if one.network == publishing else ()
        rows.record(connection, member.id, one.network, Result(boot, member.name, ports))


def publisher(networks: Sequence[NetworkRow]) -> str:
    """The one of a container's networks in which its ports are published: the first that has a way out."""
    return next((row.network.name for row in networks if not row.network.internal), networks[0].network.name if networks else "")


def networks_of(connection: sqlite3.Connection, memberships: Sequence[Membership]) -> list[NetworkRow]:
    """The networks of memberships, in their order.

    :raises NotFound: one is gone, which the index does not allow.
    """
    found = []
    for one in memberships:
        row = rows.by_name(connection, one.network)
        if row is None:
            raise NotFound(f"network {one.network} is gone")
        found.append(row)
    return found


def request_of(means: Means, one: Membership, row: NetworkRow, name: str, ports: tuple[Port, ...], cancel: Cancel) -> JoinRequest:
    """What the plugin is told."""
    wish = one.wish
    return JoinRequest(
        network=row.network, container=one.container, name=name, namespace=means.namespace(one.container),
        interface=wish.interface, cancel=cancel, addresses=wish.addresses, mac=wish.mac, ports=ports, aliases=wish.aliases)


def join(means: Means, member: Member, memberships: Sequence[Membership], networks: Sequence[NetworkRow],
         cancel: Cancel) -> list[Joined]:
    """Join a container to networks, one after the other; what was intended (:func:`intend`) is there by now.

    :raises ConmanError: the plugin's. Those that were joined are for :func:`leave`.
    """
    joined, publishing = [], publisher(networks)
    for one, row in zip(memberships, networks, strict=True):
        ports = member.ports if one.network == publishing else ()
        got = means.driver(row.plugin).join(request_of(means, one, row, member.name, ports, cancel))
        with means.index.write() as connection:
            rows.record(connection, member.id, one.network, Result(boot_id(), member.name, ports, got))
        joined.append(got)
    return joined


def joined_ones(means: Means, container: str) -> list[Membership]:
    """A container's memberships of which something may have to be given back."""
    with means.index.read() as connection:
        return [one for one in rows.of_container(connection, container) if one.result is not None]


def leave(means: Means, memberships: Sequence[Membership], cancel: Cancel) -> None:
    """Leave networks, the last joined first. One that fails holds up no other.

    :raises ConmanError: the first failure; what failed is still in the index, for another try.
    """
    failed: ConmanError | None = None
    for one in reversed(memberships):
        try:
            _leave(means, one, cancel)
        except (PluginNotInstalled, PluginUnavailable) as error:
            means.log.warning("container %s: what %s gave it in network %s stays behind: %s", one.container[:12], error.plugin,
                              one.network, error)
            _forget(means, one)
        except ConmanError as error:
            failed = failed or error
    if failed is not None:
        raise failed


def _leave(means: Means, one: Membership, cancel: Cancel) -> None:
    result = one.result
    if result is None:
        return
    with means.index.read() as connection:
        row = rows.by_name(connection, one.network)
    if row is None:
        return
    request = request_of(means, one, row, result.name, result.ports, cancel)
    if not is_pinned(request.namespace):
        request = request._replace(namespace="")
    state = result.joined.state if result.joined is not None else ""
    means.driver(row.plugin).leave(LeaveRequest(request, state, cancel))
    _forget(means, one)


def _forget(means: Means, one: Membership) -> None:
    with means.index.write() as connection:
        rows.record(connection, one.container, one.network, None)
