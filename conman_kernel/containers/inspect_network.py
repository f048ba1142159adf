"""``NetworkSettings`` of ``conman inspect``: podman's keys (libpod ``InspectNetworkSettings``)."""

from __future__ import annotations

from ..networks import rows as network_rows
from ..networks.rows import Membership, NetworkRow
from ..oci.runtime.options import ContainerOptions, PublishedPort
from ..slots.network import Joined
from .context import Context
from .rows import ContainerRow
from .state import HELD


def network_settings(context: Context, row: ContainerRow, options: ContainerOptions) -> dict[str, object]:
    """What a container has got of its networks; addresses only while it runs. The first network's stand above, too."""
    with context.index.read() as connection:
        memberships = network_rows.of_container(connection, row.id)
        networks = {one.network: network_rows.by_name(connection, one.network) for one in memberships}
    running = row.state in HELD
    joined = [one.result.joined if running and one.result is not None else None for one in memberships]
    first = next((one for one in joined if one is not None), None)
    key = context.networks.means.namespace(row.id) if running and options.network == "bridge" else ""
    return {
        **_endpoint(first), "Bridge": "", "SandboxID": "", "HairpinMode": False, "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0, "Ports": port_bindings(options.ports), "SandboxKey": key,
        "Networks": {one.network: _network(one, got, networks[one.network], row)
                     for one, got in zip(memberships, joined, strict=True)},
    }


def _network(one: Membership, got: Joined | None, network: NetworkRow | None, row: ContainerRow) -> dict[str, object]:
    v4 = [address for address in one.wish.addresses if ":" not in address]
    v6 = [address for address in one.wish.addresses if ":" in address]
    wished = {"IPv4Address": v4[0] if v4 else "", "IPv6Address": v6[0] if v6 else ""} if one.wish.addresses else None
    return {**_endpoint(got), "NetworkID": network.network.id if network is not None else "", "DriverOpts": None,
            "IPAMConfig": wished, "Links": None, "Aliases": [*one.wish.aliases, row.id[:12]]}


def _endpoint(got: Joined | None) -> dict[str, object]:
    addresses = got.addresses if got is not None else ()
    gateways = got.gateways if got is not None else ()
    v4, v4_length = _split(next((a for a in addresses if ":" not in a), ""))
    v6, v6_length = _split(next((a for a in addresses if ":" in a), ""))
    return {
        "EndpointID": "", "Gateway": next((g for g in gateways if ":" not in g), ""), "IPAddress": v4, "IPPrefixLen": v4_length,
        "IPv6Gateway": next((g for g in gateways if ":" in g), ""), "GlobalIPv6Address": v6, "GlobalIPv6PrefixLen": v6_length,
        "MacAddress": got.mac if got is not None else "",
    }


def _split(address: str) -> tuple[str, int]:
    host, _, length = address.partition("/")
    return host, int(length or 0)


def port_bindings(ports: tuple[PublishedPort, ...]) -> dict[str, list[dict[str, str]]]:
    """``80/tcp`` -> the places on the host that lead there."""
    found: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        found.setdefault(f"{port.container_port}/{port.protocol}", []).append(
            {"HostIp": port.host_address, "HostPort": str(port.host_port)})
    return found
