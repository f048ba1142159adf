"""``network connect`` and ``network disconnect``: the index says so first, and a running container follows at once."""

from __future__ import annotations

from ..cancel import Cancel
from ..errors import InvalidInput, InvalidState, NotFound
from ..networks import membership
from ..networks import rows as network_rows
from ..networks.membership import Member
from ..networks.rows import Membership, NetworkRow, Wish
from ..oci.runtime.options import NetworkOption
from .context import Context
from .network_options import check_addresses, slot_ports
from .networking import tell_names
from .rows import ContainerRow
from .state import is_held, refreshed


def connect(context: Context, row: ContainerRow, network: str, *, addresses: tuple[str, ...], mac: str, aliases: tuple[str, ...],
            interface: str, cancel: Cancel) -> None:
    """See :meth:`.Connected.connect`."""
    means = context.networks.means
    with context.locks.acquire(row.num, cancel):
        row = refreshed(context, row.id)
        if row.parsed_options().network != "bridge":
            raise InvalidState(f"container {row.name} cannot be connected to a network: its network mode is "
                               f"{row.parsed_options().network or 'none'}", hint="make it with --network NAME")
        found = context.networks.ensure(network, cancel)
        name = found.network.name
        check_addresses(NetworkOption(name, addresses), [subnet.subnet for subnet in found.network.subnets])
        with means.index.write() as connection:
            others = network_rows.of_container(connection, row.id)
            wish = Wish(max((one.wish.position for one in others), default=-1) + 1, _interface(interface, others), addresses, mac,
                        aliases)
            network_rows.join(connection, row.id, name, wish)
        if is_held(context, row):
            _join_live(context, row, Membership(row.id, name, wish, None), found, first=not others, cancel=cancel)
    _tell(context, "connect", found, row)


def _interface(wished: str, others: list[Membership]) -> str:
    taken = {one.wish.interface for one in others}
    if wished in taken:
        raise InvalidInput(f"the container has an interface {wished} already")
    return wished or next(name for name in (f"eth{number}" for number in range(len(taken) + 1)) if name not in taken)


def _join_live(context: Context, row: ContainerRow, one: Membership, network: NetworkRow, *, first: bool, cancel: Cancel) -> None:
    means = context.networks.means
    member = Member(row.id, row.name, slot_ports(row.parsed_options()) if first else ())
    try:
        with means.index.write() as connection:
            membership.intend(connection, member, [one], [network])
        membership.join(means, member, [one], [network], cancel)
    except BaseException:
        left = [m for m in membership.joined_ones(means, row.id) if m.network == one.network]
        membership.leave(means, left, Cancel())
        with means.index.write() as connection:
            network_rows.part(connection, row.id, one.network)
        raise
    tell_names(context, [one.network])


def disconnect(context: Context, row: ContainerRow, network: str, cancel: Cancel) -> None:
    """See :meth:`.Connected.disconnect`."""
    means = context.networks.means
    with context.locks.acquire(row.num, cancel):
        row = refreshed(context, row.id)
        with means.index.read() as connection:
            found = network_rows.find(connection, network)
            name = found.network.name
            mine = [one for one in network_rows.of_container(connection, row.id) if one.network == name]
        if not mine:
            raise NotFound(f"container {row.name} is not connected to network {name}")
        if mine[0].result is not None:
            membership.leave(means, mine, cancel)
        tell_names(context, [name])  # its own lines go, too, while it is still a member
        with means.index.write() as connection:
            network_rows.part(connection, row.id, name)
    _tell(context, "disconnect", found, row)


def _tell(context: Context, what: str, network: NetworkRow, row: ContainerRow) -> None:
    context.tell("network", what, network.network.id, network.network.name,
                 attributes=(("container", row.id), ("type", network.network.driver)))
