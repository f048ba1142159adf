"""Networks and memberships in the index: two records, and the few statements that read and change them. No policy.

A *membership* is one container in one network: what was wished (``config``), and what it has got (``result``). The result is
written in two steps: that it is about to be joined, before the plugin is called; what came of it, after.
"""

from __future__ import annotations

import json
from typing import Mapping, cast

from ..errors import AlreadyExists, InvalidState, NotFound
from ..record import Record
from ..slots.network import Joined, Network, Port, Subnet
from ..store.sqlite import sqlite3

IN_USE = 2
"""podman's exit code for removing what is still in use."""


class NetworkRow(Record):
    """One network as the index has it.

    :param plugin: that made it. ``created``: seconds since the epoch. ``network``: as the plugin completed it.
    :param labels: name and value, sorted. ``dns``: its containers find each other by name.
    """

    network: Network
    plugin: str
    created: float
    labels: tuple[tuple[str, str], ...] = ()
    dns: bool = True


class Wish(Record):
    """What was asked for of a container in a network.

    :param position: 0 for its first network, 1 for the second, ...
    :param interface: what the container calls it. ``addresses``, ``mac``, ``aliases``: see
        :class:`~conman_kernel.slots.network.JoinRequest`.
    """

    position: int
    interface: str
    addresses: tuple[str, ...] = ()
    mac: str = ""
    aliases: tuple[str, ...] = ()


class Result(Record):
    """What was done about it.

    :param boot_id: of the boot in which it was joined.
    :param name: of the container then. ``ports``: that were to be published, in this network.
    :param joined: None: it was about to be joined, and nobody saw the end.
    """

    boot_id: str
    name: str
    ports: tuple[Port, ...] = ()
    joined: Joined | None = None


class Membership(Record):
    """One container in one network. ``result``: None where it is not joined."""

    container: str
    network: str
    wish: Wish
    result: Result | None


def network_json(row: NetworkRow) -> str:
    """How a network is kept: all but its name and id."""
    data = row.network._asdict()
    del data["name"], data["id"]
    data["labels"], data["dns"] = row.labels, row.dns
    return json.dumps(data, separators=(",", ":"))


def _network(found: sqlite3.Row) -> NetworkRow:
    data: dict[str, object] = json.loads(found["config"])
    labels, dns = data.pop("labels", ()), data.pop("dns", True)
    known = {name: _frozen(value) for name, value in data.items() if name in Network._fields}
    known["subnets"] = tuple(Subnet._make(one) for one in cast("tuple[tuple[str, ...], ...]", known.get("subnets", ())))
    network = Network(found["name"], found["id"])._replace(**known)  # type: ignore[arg-type]
    return NetworkRow(network, found["plugin"], found["created"],
                      cast("tuple[tuple[str, str], ...]", _frozen(labels)), bool(dns))


def _frozen(value: object) -> object:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value


def insert(connection: sqlite3.Connection, row: NetworkRow) -> None:
    """:raises AlreadyExists: the name is taken."""
    try:
        connection.execute("INSERT INTO networks (name, id, plugin, created, config) VALUES (?, ?, ?, ?, ?)",
                           (row.network.name, row.network.id, row.plugin, row.created, network_json(row)))
    except sqlite3.IntegrityError:
        raise AlreadyExists(f"network name {row.network.name} already used: network already exists",
                            hint=f"conman network rm {row.network.name}, or choose another name") from None


def delete(connection: sqlite3.Connection, name: str) -> None:
    """:raises InvalidState: containers are in it."""
    try:
        connection.execute("DELETE FROM networks WHERE name = ?", (name,))
    except sqlite3.IntegrityError:
        raise in_use(connection, name) from None


def in_use(connection: sqlite3.Connection, name: str) -> InvalidState:
    """The error for a network that containers, running or not, are in."""
    held = [str(r[0]) for r in connection.execute(
        "SELECT c.name FROM container_networks n JOIN containers c ON c.id = n.container_id WHERE n.network = ? ORDER BY c.num",
        (name,))]
    error = InvalidState(f'"{name}" has associated containers with it ({", ".join(held[:5])}{", ..." if held[5:] else ""}): '
                         "network is being used", hint="conman network rm --force also removes the containers")
    error.exit_code = IN_USE
    return error


def select(connection: sqlite3.Connection) -> list[NetworkRow]:
    """Every network, by name."""
    return [_network(r) for r in connection.execute("SELECT * FROM networks ORDER BY name")]


def by_name(connection: sqlite3.Connection, name: str) -> NetworkRow | None:
    """The network of exactly this name."""
    found = connection.execute("SELECT * FROM networks WHERE name = ?", (name,)).fetchone()
    return None if found is None else _network(found)


def find(connection: sqlite3.Connection, name_or_id: str) -> NetworkRow:
    """The network meant by a name, an id, or the unique beginning of an id.

    :raises NotFound: none is.
    :raises InvalidState: the beginning is not unique.
    """
    row = by_name(connection, name_or_id)
    if row is not None:
        return row
    found = []
    if name_or_id and all(c in "0123456789abcdef" for c in name_or_id):
        found = connection.execute("SELECT * FROM networks WHERE id >= ? AND id < ? LIMIT 2",
                                   (name_or_id, name_or_id + "g")).fetchall()
    if len(found) > 1:
        raise InvalidState(f"more than one result for network ID {name_or_id}: network already exists")
    if not found:
        raise NotFound(f"unable to find network with name or ID {name_or_id}: network not found",
                       hint="conman network ls shows those that there are")
    return _network(found[0])


def users(connection: sqlite3.Connection, name: str) -> list[str]:
    """Ids of the containers in a network, running or not."""
    return [str(r[0]) for r in connection.execute("SELECT container_id FROM container_networks WHERE network = ?", (name,))]


def join(connection: sqlite3.Connection, container: str, network: str, wish: Wish) -> None:
    """Put a container into a network, as far as the index goes.

    :raises NotFound: there is no such network. :raises AlreadyExists: it is in it.
    """
    if by_name(connection, network) is None:
        raise NotFound(f"unable to find network with name or ID {network}: network not found",
                       hint=f"conman network create {network}")
    try:
        connection.execute("INSERT INTO container_networks VALUES (?, ?, ?, '')",
                           (container, network, json.dumps(wish._asdict(), separators=(",", ":"))))
    except sqlite3.IntegrityError:
        raise AlreadyExists(f"container {container[:12]} is already connected to network {network}: "
                            "network already exists") from None


def part(connection: sqlite3.Connection, container: str, network: str) -> None:
    """Take a container out of a network, as far as the index goes; not in it is no error."""
    connection.execute("DELETE FROM container_networks WHERE container_id = ? AND network = ?", (container, network))


def record(connection: sqlite3.Connection, container: str, network: str, result: Result | None) -> None:
    """Write down what was done about a membership."""
    connection.execute("UPDATE container_networks SET result = ? WHERE container_id = ? AND network = ?",
                       (_result_json(result), container, network))


def _result_json(result: Result | None) -> str:
    if result is None:
        return ""
    joined = result.joined
    return json.dumps({"boot_id": result.boot_id, "name": result.name, "ports": result.ports,
                       "joined": None if joined is None else joined._asdict()}, separators=(",", ":"))


def _membership(found: sqlite3.Row) -> Membership:
    wished: dict[str, object] = json.loads(found["config"])
    wish = Wish(**{k: _frozen(v) for k, v in wished.items() if k in Wish._fields})  # type: ignore[arg-type]
    return Membership(found["container_id"], found["network"], wish, _result(found["result"]))


def _result(text: str) -> Result | None:
    if not text:
        return None
    data = cast("Mapping[str, object]", json.loads(text))
    ports = tuple(Port._make(one) for one in cast("tuple[tuple[str, int, int, str], ...]", _frozen(data["ports"])))
    joined = data["joined"]
    return Result(str(data["boot_id"]), str(data["name"]), ports, None if not isinstance(joined, dict) else Joined(
        **{k: _frozen(v) for k, v in joined.items() if k in Joined._fields}))  # type: ignore[arg-type]


def of_container(connection: sqlite3.Connection, container: str) -> list[Membership]:
    """A container's networks, its first one first."""
    found = [_membership(r) for r in connection.execute("SELECT * FROM container_networks WHERE container_id = ?", (container,))]
    return sorted(found, key=lambda one: one.wish.position)


def of_all(connection: sqlite3.Connection) -> dict[str, list[Membership]]:
    """Every container's networks, by its id."""
    result: dict[str, list[Membership]] = {}
    for found in connection.execute("SELECT * FROM container_networks"):
        one = _membership(found)
        result.setdefault(one.container, []).append(one)
    for several in result.values():
        several.sort(key=lambda one: one.wish.position)
    return result


def of_network(connection: sqlite3.Connection, network: str) -> list[Membership]:
    """The containers in a network, running or not."""
    return [_membership(r) for r in connection.execute("SELECT * FROM container_networks WHERE network = ?", (network,))]
