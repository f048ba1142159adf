"""What the network kit works with: a plugin's driver on a host of its own, containers' namespaces, sockets in them."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager
from hashlib import sha256
from ipaddress import ip_interface
from pathlib import Path
from typing import Callable, Iterator, Mapping, TypeVar

import pytest

from ....cancel import Cancel
from ....errors import ConmanError
from ....slots.network import (
    DefineRequest,
    Joined,
    JoinRequest,
    LeaveRequest,
    Network,
    NetworkDriver,
    Port,
    RemoveRequest,
    Subnet,
)
from ....slots.provider import PluginContext, Provider
from ...namespaces import Namespace, tool
from ..outcomes import not_offered, unavailable
from ..scratch import ScratchBench

T = TypeVar("T")
PATIENCE = 30.0
"""Seconds that any one call may take."""

SETTLING = 5.0
"""Seconds that the kernel may take to clear a namespace that nobody holds any more."""

QUIET = 0.4
"""Seconds after which a connection that should not come about is taken as refused."""

HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
"""The host's own address towards the outside, and one that is outside (RFC 5737)."""

HOST6, OUTSIDE6 = "2001:db8::1", "2001:db8::2"


def id_of(name: str) -> str:
    """64 digits."""
    return sha256(name.encode()).hexdigest()


class Site:
    """A driver, and the calls that the kernel makes; a host, and containers.

    :ivar driver: the driver. ``context``: what it was opened with. ``scratch``: a folder for whatever a test needs.
    :ivar networks: those that were defined. ``packets``: False: the driver moves none.
    """

    def __init__(self, provider: Provider[NetworkDriver], context: PluginContext[Mapping[str, object]], scratch: Path, *,
                 packets: bool) -> None:
        self.provider = provider
        self.context = context
        self.scratch = scratch
        self.packets = packets
        self.driver = provider.open(context)
        self.networks: list[Network] = []
        self._spaces: dict[str, Namespace] = {}
        self._joined: dict[tuple[str, str], LeaveRequest] = {}
        self.outside: Namespace | None = None

    def again(self) -> NetworkDriver:
        """Another driver on the same folders, as the next command opens it."""
        return self.provider.open(self.context)

    def wanted(self, name: str = "net", **more: object) -> Network:
        """A network to be asked for."""
        return Network(name, id_of(name), **more)  # type: ignore[arg-type]

    def ask(self, wanted: Network, others: tuple[Network, ...] | None = None) -> Network:
        """``define``, and nothing is remembered."""
        known = tuple(self.networks) if others is None else others
        return self.driver.define(DefineRequest(wanted, known, Cancel(PATIENCE)))

    def network(self, name: str = "net", **more: object) -> Network:
        """A network that is defined and kept, as ``network create`` does."""
        self.networks.append(self.ask(self.wanted(name, **more)))
        return self.networks[-1]

    def small(self, name: str = "small") -> Network:
        """A network that has one address for a container: who does not give it back is seen by the next one."""
        return self.network(name, subnets=(Subnet("10.123.0.0/24", "10.123.0.1", "10.123.0.7", "10.123.0.7"),))

    def space(self, container: str) -> Namespace:
        """A container's namespace; made when it is first asked for."""
        if container not in self._spaces:
            self._spaces[container] = Namespace()
        return self._spaces[container]

    def end(self, container: str) -> None:
        """The container's namespace is gone, as after its end."""
        self._spaces.pop(container).close()

    def request(self, network: Network, container: str = "box", *, interface: str = "eth0", **more: object) -> JoinRequest:
        """What the kernel asks ``join`` for."""
        path = self.space(container).path if self.packets else "/proc/self/ns/net"
        values: dict[str, object] = {"network": network, "container": id_of(container), "name": container, "namespace": path,
                                     "interface": interface, "cancel": Cancel(PATIENCE), **more}
        return JoinRequest(**values)  # type: ignore[arg-type]

    def join(self, network: Network, container: str = "box", *, interface: str = "eth0", driver: NetworkDriver | None = None,
             **more: object) -> Joined:
        """``join``, as the kernel calls it; it is left at the end of the test where the test does not."""
        request = self.request(network, container, interface=interface, **more)
        joined = (driver or self.driver).join(request)
        self._joined[container, interface] = LeaveRequest(request, joined.state, Cancel(PATIENCE))
        return joined

    def leaving(self, container: str = "box", *, interface: str = "eth0") -> LeaveRequest:
        """What the kernel asks ``leave`` for, of one that was joined."""
        return self._joined[container, interface]._replace(cancel=Cancel(PATIENCE))

    def leave(self, container: str = "box", *, interface: str = "eth0", driver: NetworkDriver | None = None,
              stateless: bool = False, ended: bool = False) -> None:
        """``leave``, as the kernel calls it.

        :param stateless: nobody saw ``join`` return. ``ended``: the namespace is gone.
        """
        request = self.leaving(container, interface=interface)
        if ended:
            request = request._replace(joining=request.joining._replace(namespace=""))
        (driver or self.driver).leave(request._replace(state="") if stateless else request)
        self._joined.pop((container, interface))

    def remove(self, network: Network) -> None:
        """``remove``, as the kernel calls it."""
        self.driver.remove(RemoveRequest(network, Cancel(PATIENCE)))

    def facts(self) -> dict[str, list[str]]:
        """What the host has: interfaces, addresses, routes, rules. Empty for a driver that moves no packets."""
        if not self.packets:
            return {}
        found = {"links": [line.split(":")[1].strip() for line in tool("ip", "-o", "link").splitlines()],
                 "routes": tool("ip", "route").splitlines() + tool("ip", "-6", "route").splitlines()}
        for program in ("iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save"):
            found[program] = [line for line in _printed(program) if line.startswith("-A") or line.endswith(" - [0:0]")]
        found["nft"] = [line for line in map(str.strip, _printed("nft", "list", "ruleset"))
                        if line and not line.startswith(("table ", "chain ", "type ", "}", "#"))]
        mine = ("fe80::", "ff00::", "uplink", "up0")
        return {name: [line.replace(" linkdown", "") for line in lines if not any(word in line for word in mine)]
                for name, lines in found.items()}

    def reach_outside(self) -> Namespace:
        """A neighbour of the host: another namespace behind its default route, which knows nothing of containers."""
        if self.outside is None:
            self.outside = Namespace()
            for line in ("ip link add uplink type veth peer name up0", f"ip link set up0 netns {self.outside.path}",
                         f"ip addr add {HOST}/24 dev uplink", f"ip -6 addr add {HOST6}/64 dev uplink nodad",
                         "ip link set uplink up", f"ip route add default via {OUTSIDE}"):
                tool(*line.split())
            for line in (f"ip addr add {OUTSIDE}/24 dev up0", f"ip -6 addr add {OUTSIDE6}/64 dev up0 nodad",
                         "ip link set up0 up"):
                self.outside.tool(*line.split())
            _until_reached(OUTSIDE)
            _until_reached(OUTSIDE6)
        return self.outside

    def close(self) -> None:
        """Leave and remove everything."""
        try:
            for container, interface in list(self._joined):
                self.leave(container, interface=interface)
            for network in self.networks:
                self.remove(network)
        finally:
            if self.outside:
                tool("ip", "link", "del", "uplink")
            for space in (*self._spaces.values(), *((self.outside,) if self.outside else ())):
                space.close()


def _printed(*argv: str) -> list[str]:
    """What a program says; nothing where it is not installed, or the kernel has no such rules."""
    if shutil.which(argv[0], path="/usr/sbin:/sbin:/usr/bin") is None:
        return []
    try:
        return tool(*argv).splitlines()
    except AssertionError:
        return []


def plain(address: str) -> str:
    """An address without the length of its prefix."""
    return str(ip_interface(address).ip)


def free_address(site: Site, network: Network) -> None:
    """The one address of a small network is free: somebody can have it."""
    joined = site.join(network, "probe")
    assert joined.addresses == ("10.123.0.7/24",)
    site.leave("probe")


class _Here:
    """The host, which is where the calling thread is."""

    def call(self, action: Callable[[], T]) -> T:
        """Call it."""
        return action()


HERE = _Here()
"""The host, for those who ask for a namespace."""


class Talk:
    """A server in one namespace: a thread answers each connection, or datagram, with its own words and who it was asked by."""

    def __init__(self, space: Namespace | _Here, port: int, words: str, *, udp: bool = False, address: str = "") -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = space.call(lambda: socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM))
        self._words = words
        self._udp = udp
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        if not udp:
            self._socket.listen(64)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                if self._udp:
                    _, peer = self._socket.recvfrom(1000)
                    if peer is None:
                        return  # shut down
                    self._socket.sendto(f"{self._words} {peer[0]}".encode(), peer)
                else:
                    with self._socket.accept()[0] as connection:
                        connection.sendall(f"{self._words} {connection.getpeername()[0]}".encode())
            except OSError:
                return  # closed

    def close(self) -> None:
        """Once."""
        self._socket.shutdown(socket.SHUT_RDWR) if not self._udp else _wake(self._socket)
        self._thread.join(PATIENCE)
        self._socket.close()


def _wake(plug: socket.socket) -> None:
    try:
        plug.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # a datagram socket says that it is not connected, and wakes its reader all the same


@contextmanager
def talking(space: Namespace | _Here, port: int, words: str = "hello", *, udp: bool = False, address: str = "") -> Iterator[None]:
    """A server for the block."""
    talk = Talk(space, port, words, udp=udp, address=address)
    try:
        yield
    finally:
        talk.close()


def asked(space: Namespace | None, address: str, port: int, *, udp: bool = False, patience: float = 5.0) -> tuple[str, str]:
    """What a server says, and whom it saw asking; empty words where nobody answers.

    :param space: from where; None: from the host, which is where the calling thread is.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def made() -> socket.socket:
        return socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)

    with made() if space is None else space.call(made) as plug:
        plug.settimeout(patience)
        try:
            plug.connect((address, port))
            words, _, peer = (_repeated(plug, patience) if udp else plug.recv(1000)).decode().partition(" ")
        except OSError:
            return "", ""
    return words, peer.removeprefix("::ffff:")


def _repeated(plug: socket.socket, patience: float) -> bytes:
    """Ask by datagrams, of which any may be lost."""
    end = time.monotonic() + patience
    plug.settimeout(min(patience, 0.2))
    while True:
        plug.sendall(b"?")
        try:
            return plug.recv(1000)
        except TimeoutError:
            if time.monotonic() > end:
                raise


def _until_reached(address: str) -> None:
    """Wait until packets come through: a link that was just made takes a moment on a busy host. Nobody listens there, which the
    neighbour says."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM) as plug:
            plug.settimeout(0.2)
            try:
                plug.connect((address, 9))
            except TimeoutError:
                continue
            except OSError:
                return
    raise AssertionError(f"{address} is not reached")


def refused(error: ConmanError, *words: str) -> None:
    """An error is one line, of a bearable length, and has the words in it."""
    assert "\n" not in error.message and len(error.message) < 500, error.message
    for word in words:
        assert word in error.message, f"{word!r} is not in: {error.message}"


class NetworkBench(ScratchBench):
    """The fixtures. An author overrides ``provider``, and the others where they need to."""

    @pytest.fixture
    def provider(self) -> Provider[NetworkDriver]:
        """What the plugin's hook ``conman_network`` returns. To be overridden."""
        raise NotImplementedError("override the fixture `provider`: return what your conman_network() returns")

    @pytest.fixture
    def packets(self) -> bool:
        """False: the driver only keeps books, and no container is reached."""
        return True

    @pytest.fixture
    def site(self, provider: Provider[NetworkDriver], options: Mapping[str, object], packets: bool,
             scratch: Path) -> Iterator[Site]:
        """The driver, on a host that has nothing. Afterwards everything is taken back by the driver itself, and the host is as it
        was before."""
        context: PluginContext[Mapping[str, object]] = PluginContext(
            name="kit", options={**options}, state_dir=f"{scratch}/state", run_dir=f"{scratch}/run",
            log=logging.getLogger("conman-kit"))
        no = provider.probe(context)
        if no is not None:
            unavailable(no.reason, no.hint)
        if not packets:
            yield from _used(Site(provider, context, scratch, packets=False))
            return
        if os.geteuid():
            unavailable("the kit makes network namespaces", "run it as root")
        if shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
            unavailable("the kit looks at interfaces with ip", "apt-get install iproute2")
        with Namespace() as host, host.entered():
            yield from _used(Site(provider, context, scratch, packets=True))

    @pytest.fixture
    def live(self, site: Site) -> Site:
        """The same, for tests of what needs packets."""
        if not site.packets:
            not_offered("packets: it keeps books only")
        return site


def _used(site: Site) -> Iterator[Site]:
    before = site.facts()
    try:
        yield site
    finally:
        site.close()
    end = time.monotonic() + SETTLING
    while (left := site.facts()) != before and time.monotonic() < end:
        continue  # interfaces of a namespace that has ended go a moment later; looking takes longer than that
    assert left == before, "something of the networks is left on the host"


def port(number: int, container: int = 80, protocol: str = "tcp", host: str = "") -> Port:
    """A published port."""
    return Port(host, number, container, protocol)
