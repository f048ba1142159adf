"""Ports of the host: free ones, taken ones, and how they are shown."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman
from conman_kernel.cli.ports import ports_document, ports_text
from conman_kernel.errors import InvalidState, Unavailable
from conman_kernel.networks import ports
from conman_kernel.networks.means import Means
from conman_kernel.oci.runtime.options import PublishedPort
from conman_kernel.slots.network import Port


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Means]:
    with Conman(root=str(tmp_path / "root"), run_root=str(tmp_path / "run"), environ={}) as conman:
        yield conman.networks.means


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_held_port_is_nobody_elses(means: Means, protocol: str) -> None:
    number = ports.free_port("127.0.0.1", protocol)
    assert ports.is_free("127.0.0.1", number, protocol)
    held = ports.hold(means, [Port("127.0.0.1", number, 80, protocol)], ipv6=False, container="1" * 64)
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if protocol == "tcp":
            with pytest.raises(OSError, match="in use"):
                plug.bind(("", number))
    assert not ports.is_free("127.0.0.1", number, protocol)
    with pytest.raises(InvalidState, match="already in use, by another program") as caught:
        ports.hold(means, [Port("", number, 80, protocol)], ipv6=False, container="2" * 64)
    assert caught.value.exit_code == 126
    ports.release(held)
    ports.release(held)
    assert ports.is_free("127.0.0.1", number, protocol)


def test_a_port_whose_last_server_has_just_ended(means: Means) -> None:
    """Connections in TIME_WAIT are no reason to refuse."""
    server = socket.create_server(("127.0.0.1", 0))
    place = server.getsockname()
    client = socket.create_connection(place)
    accepted, _ = server.accept()
    accepted.close()  # this end closes first: it is the one that waits
    client.close()
    server.close()
    held = ports.hold(means, [Port("127.0.0.1", place[1], 80)], ipv6=False, container="1" * 64)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(place)
    ports.release(held)


def test_what_one_cannot_have_leaves_nothing_held(means: Means) -> None:
    number = ports.free_port("", "tcp")
    with pytest.raises(Unavailable, match="192.0.2.1:"):
        ports.hold(means, [Port("", number, 80), Port("192.0.2.1", number, 80)], ipv6=False, container="1" * 64)
    assert ports.is_free("", number, "tcp")


def test_more_than_are_held_are_looked_at(means: Means, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "HELD", 2)
    numbers = [ports.free_port("127.0.0.1", "tcp") for _ in range(4)]
    held = ports.hold(means, [Port("127.0.0.1", number, 80) for number in dict.fromkeys(numbers)], ipv6=False, container="1" * 64)
    assert len(held) == 2
    ports.release(held)


@pytest.mark.parametrize(("published", "text"), [
    ([], ""),
    ([PublishedPort(80, 8080)], "0.0.0.0:8080->80/tcp"),
    ([PublishedPort(81, 8081), PublishedPort(80, 8080), PublishedPort(82, 8082)], "0.0.0.0:8080-8082->80-82/tcp"),
    ([PublishedPort(80, 8080), PublishedPort(82, 8082)], "0.0.0.0:8080->80/tcp, 0.0.0.0:8082->82/tcp"),
    ([PublishedPort(80, 8080), PublishedPort(81, 9000)], "0.0.0.0:8080->80/tcp, 0.0.0.0:9000->81/tcp"),
    ([PublishedPort(53, 53, "127.0.0.1", "udp"), PublishedPort(53, 53, "127.0.0.1")],
     "127.0.0.1:53->53/tcp, 127.0.0.1:53->53/udp"),
    ([PublishedPort(80, 8080, "::1")], "[::1]:8080->80/tcp"),
])
def test_shown(published: list[PublishedPort], text: str) -> None:
    assert ports_text(published) == text


def test_as_a_document() -> None:
    assert ports_document([]) is None
    assert ports_document([PublishedPort(80, 8080), PublishedPort(81, 8081)]) == [
        {"host_ip": "", "container_port": 80, "host_port": 8080, "range": 2, "protocol": "tcp"}]
