"""A host of the test's own (see the folder ``networks``), and an image of a real Debian with a database and a web server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.images import image
from conman_kernel.testing.registry import Registry

from ..networks.conftest import Host, made_host

TOOL = Path(__file__).parents[3] / "tools/debian_root.py"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="session")
def hour() -> Iterator[Host]:
    """Its store has that image, as :attr:`Host.image`; its default network is ``bridge``."""
    done = subprocess.run([sys.executable, str(TOOL), "servers"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())
    servers = image([Path(done.stdout.strip()).read_bytes()], config={"Env": [PATH], "Cmd": ["bash"], "Labels": {"made": "here"}})
    with Registry() as registry:
        registry.add_image(servers, "library/servers:1")
        with made_host(f"{registry.host}/library/servers:1") as host:
            yield host


@pytest.fixture
def clean(hour: Host) -> Iterator[Host]:
    """The host; the containers, volumes and networks of a test go at its end, and nothing of them is left on the network."""
    yield hour
    hour.conman.clear()
    for volume in hour.conman.ok("volume", "ls", "-q").split():
        hour.conman.ok("volume", "rm", volume)
    for network in hour.conman.ok("network", "ls", "-q").split():
        if network != "bridge":
            hour.conman.ok("network", "rm", network)
    hour.nothing_left()
