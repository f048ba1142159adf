"""Published ports in podman's words: ``0.0.0.0:8080->80/tcp``, neighbours in one."""

from __future__ import annotations

from typing import Iterable

from ..oci.runtime.options import PublishedPort

_Run = tuple[PublishedPort, int]


def ports_text(ports: Iterable[PublishedPort]) -> str:
    """The column PORTS; empty where nothing is published."""
    return ", ".join(f"{place(port.host_address)}:{_span(port.host_port, count)}->"
                     f"{_span(port.container_port, count)}/{port.protocol}" for port, count in _runs(ports))


def _runs(ports: Iterable[PublishedPort]) -> list[_Run]:
    runs: list[_Run] = []
    for port in sorted(ports, key=lambda one: (one.host_address, one.protocol, one.container_port, one.host_port)):
        if runs and _follows(runs[-1], port):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((port, 1))
    return runs


def ports_document(ports: Iterable[PublishedPort]) -> list[dict[str, object]] | None:
    """What ``ps --format json`` says of them; None where nothing is published."""
    return [{"host_ip": first.host_address, "container_port": first.container_port, "host_port": first.host_port, "range": count,
             "protocol": first.protocol} for first, count in _runs(ports)] or None


def place(address: str) -> str:
    """The address of a published port, as people are shown it."""
    return f"[{address}]" if ":" in address else address or "0.0.0.0"


def _follows(run: _Run, port: PublishedPort) -> bool:
    first, count = run
    return ((port.host_address, port.protocol) == (first.host_address, first.protocol)
            and port.container_port == first.container_port + count and port.host_port == first.host_port + count)


def _span(first: int, count: int) -> str:
    return str(first) if count == 1 else f"{first}-{first + count - 1}"
