"""``run --rm`` on the default bridge network, in a network namespace and with folders that stand for a host's."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from typing import Iterator

from context import Bench
from measure import Command, alternate, whole
from peers import PODMAN_RUN, Peer
from report import Row, Table

# /run and /var/lib hold what CNI plugins and podman keep of networks, wherever the roots are.
MAKE = "ip link set lo up && mount -t tmpfs tmpfs /var/lib && mount -t tmpfs tmpfs /run && echo ready && exec sleep 86400"
NOTE = "in a network namespace of their own; each command begins with nsenter, about 2 ms of everybody's time"


@contextmanager
def _host() -> Iterator[tuple[str, ...]]:
    """The beginning of a command line that runs there."""
    argv = ["unshare", "--net", "--mount", "--propagation", "slave", "sh", "-c", MAKE]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                sys.exit("bench: no network namespace can be made here")
            yield ("nsenter", f"--target={process.pid}", "--net", "--mount")
        finally:
            process.kill()


def _bridged(peer: Peer, start: tuple[str, ...], *words: str) -> Command:
    flags, first, environ = [], list(peer.start), dict(peer.environ)
    if peer.name == "podman":
        flags = list(PODMAN_RUN[2:])
        first += ["--network-config-dir", f"{peer.folder}/networks"]
    else:
        environ["CONMAN_CONTAINERS_NETWORK"] = "bridge"
    return Command([*start, *first, "run", "--rm", *flags, *words], environ)


def run(bench: Bench) -> None:
    """``run --rm IMAGE true``, with an address."""
    with bench.image(bench.main) as reference, _host() as start:
        for peer in bench.main:
            if "inet " not in peer.do(_bridged(peer, start, reference, "ip", "addr", "show", "eth0")):
                sys.exit(f"bench: {peer.name} gave no address")
        contestants = {peer.name: partial(whole, _bridged(peer, start, reference, "true")) for peer in bench.main}
        rows = [Row(name, [result.seconds * 1000 for result in results])
                for name, results in alternate(contestants, bench.options.rounds).items()]
    bench.report.add(Table("run-bridge", "run --rm IMAGE true, on the default bridge network", "ms", rows, notes=[NOTE]))
