"""The rules of a network and of a container's ports, as lines of iptables-restore(8). Text alone; :mod:`.tables` runs it.

A network's rules stand in chains that all of conman's networks share, each with a comment of its own, by which it is found
again: ``conman:ID:DIGEST``. What refuses is inserted at the top, what accepts appended, so their order holds between networks. A
container with ports has a chain of its own, which is made, filled and hooked in one transaction.

- Published ports are reached from everywhere: from outside (PREROUTING), from the host (OUTPUT), by its loopback address
  (``route_localnet``, masqueraded), from the container's own network (masqueraded, or the answer would take the short way).
- Packets to 127.0.0.0/8 that a container makes itself are dropped: ``route_localnet`` would let them in (CVE-2020-8558).
"""

from __future__ import annotations

from _blake2 import blake2s  # hashlib loads OpenSSL: 7 ms that every container with a network would pay
from typing import Iterable, Iterator, Sequence

from conman_kernel.record import Record
from conman_kernel.slots.network import Network, Port

from .conf import option, version

FORWARD, INPUT, MASQUERADE, DNAT = "CONMAN-FORWARD", "CONMAN-INPUT", "CONMAN-MASQUERADE", "CONMAN-DNAT"
CHAINS = (("filter", INPUT), ("filter", FORWARD), ("nat", MASQUERADE), ("nat", DNAT))
TABLES = ("filter", "nat")
"""In the order in which they are restored: what is only checked before what is changed."""

MARK = "conman:"
_HOOKS = (("filter", "INPUT", INPUT, ""), ("filter", "FORWARD", FORWARD, ""), ("nat", "POSTROUTING", MASQUERADE, ""),
          ("nat", "PREROUTING", DNAT, "-m addrtype --dst-type LOCAL "), ("nat", "OUTPUT", DNAT, "-m addrtype --dst-type LOCAL "))


class Rule(Record):
    """One rule that must be there.

    :param match: all of it but the comment and the target, with a blank at its end where it is not empty.
    :param top: it goes before others.
    """

    table: str
    chain: str
    match: str
    target: str
    owner: str
    top: bool = False

    @property
    def comment(self) -> str:
        """By which it is found again."""
        digest = blake2s(f"{self.table} {self.chain} {self.match}{self.target}".encode()).hexdigest()[:8]
        return f"{MARK}{self.owner}:{digest}"

    @property
    def spec(self) -> str:
        """As it stands after ``-A CHAIN``."""
        return f"{self.match}-m comment --comment \"{self.comment}\" -j {self.target}"


def owner(network: Network) -> str:
    """What stands for a network in comments."""
    return network.id[:16]


def hooks() -> tuple[Rule, ...]:
    """What leads from the host's chains into ours."""
    return tuple(Rule(table, chain, match, target, "hook", top=True) for table, chain, target, match in _HOOKS)


def of_network(network: Network, ip: int) -> tuple[Rule, ...]:
    """The rules that a network needs.

    :param ip: the version, 4 or 6.
    """
    if network.driver != "bridge":
        return ()
    name = network.interface
    return tuple(Rule(table, chain, match, target, owner(network), top)
                 for table, chain, match, target, top in (_inner(name) if network.internal else _outer(network, name, ip)))


_Line = tuple[str, str, str, str, bool]


def _inner(name: str) -> Iterator[_Line]:
    yield "filter", FORWARD, f"-i {name} ! -o {name} ", "DROP", True
    yield "filter", FORWARD, f"! -i {name} -o {name} ", "DROP", True
    yield "filter", FORWARD, f"-i {name} -o {name} ", "ACCEPT", False


def _outer(network: Network, name: str, ip: int) -> Iterator[_Line]:
    known = "-m conntrack --ctstate RELATED,ESTABLISHED,DNAT "
    if option(network, "isolate") == "true":
        yield "filter", FORWARD, f"! -i {name} -o {name} -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT ", "DROP", True
    yield "filter", FORWARD, f"-i {name} ", "ACCEPT", False
    yield "filter", FORWARD, f"-o {name} {known}", "ACCEPT", False
    if ip == 4:
        yield "filter", INPUT, f"-d 127.0.0.0/8 -i {name} -m conntrack ! --ctstate RELATED,ESTABLISHED ", "DROP", True
        yield "nat", MASQUERADE, f"-s 127.0.0.0/8 -o {name} ", "MASQUERADE", False
    many = "224.0.0.0/4" if ip == 4 else "ff00::/8"
    for subnet in network.subnets:
        if version(subnet.subnet) == ip:
            own = f"-s {subnet.subnet} "
            yield "nat", MASQUERADE, f"{own}-d {subnet.subnet} -o {name} -m conntrack --ctstate DNAT ", "MASQUERADE", False
            yield "nat", MASQUERADE, f"{own}! -d {many} ! -o {name} ", "MASQUERADE", False


def chain_of(network: Network, container: str, interface: str) -> str:
    """The name of the chain with a container's ports; at most 28 letters are allowed."""
    return "CONMAN-P-" + blake2s(f"{network.id} {container} {interface}".encode()).hexdigest()[:18]


def _jump(network: Network, container: str, chain: str) -> str:
    return Rule("nat", DNAT, "", chain, f"{owner(network)}:{container[:12]}").spec


def publish(network: Network, container: str, interface: str, ports: Sequence[Port], addresses: Sequence[str],
            ip: int) -> list[str]:
    """Lines of the table nat that publish a container's ports; none where nothing is to be published by this version of IP.

    :param addresses: the container's, without prefixes.
    """
    target = next((address for address in addresses if version(address) == ip), "")
    wanted = [port for port in ports if not port.host_address or version(port.host_address) == ip]
    if not target or not wanted:
        return []
    chain = chain_of(network, container, interface)
    return [f":{chain} - [0:0]", *(f"-A {chain} {line}" for line in _forwards(wanted, target)),
            f"-A {DNAT} {_jump(network, container, chain)}"]


def unpublish(network: Network, container: str, interface: str) -> list[str]:
    """Lines that take them back, where all of them are there."""
    chain = chain_of(network, container, interface)
    return [f"-D {DNAT} {_jump(network, container, chain)}", f"-F {chain}", f"-X {chain}"]


def _forwards(ports: Iterable[Port], target: str) -> Iterator[str]:
    """One line for a run of ports that keep their numbers, one for each other port."""
    shown = f"[{target}]" if ":" in target else target
    for protocol, address, first, last, inner in _runs(ports):
        to = "" if address in ("", "0.0.0.0", "::") else f"-d {address} "
        if first == last:
            yield f"-p {protocol} {to}-m {protocol} --dport {first} -j DNAT --to-destination {shown}:{inner}"
        else:
            yield f"-p {protocol} {to}-m {protocol} --dport {first}:{last} -j DNAT --to-destination {target}"


def _runs(ports: Iterable[Port]) -> Iterator[tuple[str, str, int, int, int]]:
    run: tuple[str, str, int, int, int] | None = None
    for port in sorted(set(ports), key=lambda one: (one.protocol, one.host_address, one.host_port)):
        kept = port.host_port == port.container_port
        if run and kept and run[2] == run[4] and run[:2] == (port.protocol, port.host_address) and port.host_port == run[3] + 1:
            run = (*run[:3], port.host_port, run[4])
            continue
        if run:
            yield run
        run = (port.protocol, port.host_address, port.host_port, port.host_port, port.container_port)
    if run:
        yield run
