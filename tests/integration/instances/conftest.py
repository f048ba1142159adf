"""A store with the busybox image, through each storage driver."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman

DRIVERS = ("overlay-storage", "vfs-storage")


@pytest.fixture(params=DRIVERS)
def store(request: pytest.FixtureRequest, scratch: Path, box: str) -> Iterator[Conman]:
    """A store with the image ``box``."""
    with Conman(root=f"{scratch}/root", run_root=f"{scratch}/run", overrides={"storage.driver": request.param}) as conman:
        conman.images.pull(box)
        yield conman
        for container in conman.containers.list(all=True):
            container.unmount(force=True)
            container.remove(force=True, timeout=0)
