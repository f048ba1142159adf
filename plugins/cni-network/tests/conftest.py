"""The plugin on a host of its own: a network namespace, folders in memory, CNI plugins that a test may bend."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Callable, Iterator, Mapping, NamedTuple

import pytest

import conman_cni_network as plugin
from conman_cni_network.probe import probe
from conman_kernel.slots.provider import PluginContext
from conman_kernel.support import programs
from conman_kernel.testing.kits.network.bench import Site
from conman_kernel.testing.namespaces import Namespace

REAL = plugin.Options().plugin_dirs


class Desk(NamedTuple):
    """A site, and a folder of CNI plugins of which some are bent."""

    site: Site
    cni: Path

    def bend(self, type: str, script: str) -> None:
        """Have a shell script stand in for a CNI plugin; ``$REAL`` is the real one."""
        path = self.cni / type
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\nREAL={real(type)}\n{script}\n")
        path.chmod(0o755)

    def straighten(self, type: str) -> None:
        """The real one again."""
        (self.cni / type).unlink(missing_ok=True)
        (self.cni / type).symlink_to(real(type))


def real(type: str) -> str:
    return programs.find(type, REAL)


@pytest.fixture
def scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cni-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def desk_of(scratch: Path) -> Iterator[Callable[..., Desk]]:
    """Makes a desk with options of the plugin's; the host is a namespace of the test's own."""
    no = probe(plugin.Options())
    if no is not None:
        pytest.skip(f"{no.reason} ({no.hint})")
    made: list[Site] = []

    def make(**options: object) -> Desk:
        cni = scratch / f"cni{len(made)}"
        cni.mkdir()
        for type in ("bridge", "host-local", "macvlan", "firewall"):
            if real(type):
                (cni / type).symlink_to(real(type))
        context: PluginContext[Mapping[str, object]] = PluginContext(
            name="cni-network", options={"plugin_dirs": (str(cni),), **options}, state_dir=f"{scratch}/state",
            run_dir=f"{scratch}/run{len(made)}", log=logging.getLogger("cni"))
        made.append(Site(plugin.conman_network(), context, scratch, packets=True))
        return Desk(made[-1], cni)

    with Namespace() as host, host.entered():
        yield make
        for site in made:
            site.close()


@pytest.fixture
def desk(desk_of: Callable[..., Desk]) -> Desk:
    return desk_of()


@pytest.fixture
def site(desk: Desk) -> Site:
    return desk.site


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the programs that the plugin starts, in order."""
    names: list[str] = []
    begin = programs.Running.__init__

    def counted(self: programs.Running, argv: list[str], *more: object, **others: object) -> None:
        names.append(os.path.basename(argv[0]))
        begin(self, argv, *more, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(programs.Running, "__init__", counted)
    return names
