"""A registry, one store for each storage driver, and the two markers of the long versions."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

from conman_kernel.testing.registry import Registry

from .archives import nodes
from .product import DRIVERS, Product

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
MOST_MEMORY = 150 * 1024
"""KiB that any process started for a case may hold."""
QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.large_base_example]

settings.register_profile("hostile-short", max_examples=120, deadline=5000, suppress_health_check=QUIET, derandomize=True,
                          database=None)
settings.register_profile("hostile-long", max_examples=20_000, deadline=5000, suppress_health_check=QUIET, database=None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "stress: a long version, run only where -m names it")
    config.addinivalue_line("markers", "peers: every case through podman and containerd, run only where -m names it or stress")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long versions are left out, not skipped, unless they are asked for. What mounts needs root."""
    asked = config.option.markexpr
    own = [item for item in items if "hostile" in item.path.parts]
    for item in own:
        if item.get_closest_marker("peers") and "stress" in asked:
            item.add_marker(pytest.mark.stress)
        if os.geteuid() != 0 and "fuzz" not in item.path.parts:
            item.add_marker(pytest.mark.skip(reason="needs root: mounts, devices and owners"))
    gone = {item for item in own if (item.get_closest_marker("peers") and "peers" not in asked and "stress" not in asked)
            or (item.get_closest_marker("stress") and not item.get_closest_marker("peers") and "stress" not in asked)}
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=list(gone))


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A short-named folder in memory."""
    folder = Path(tempfile.mkdtemp(prefix="ho-", dir=MEMORY))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """The registry that serves the cases."""
    with Registry() as made:
        yield made


@pytest.fixture(scope="module", params=DRIVERS)
def product(request: pytest.FixtureRequest, place: Path, registry: Registry) -> Iterator[Product]:
    """A store of the whole product, for a file of tests. What a refused case must leave unchanged is remembered."""
    made = Product(place / f"{request.module.__name__.rpartition('.')[2]}-{request.param}", request.param)
    made.settle(registry, nodes.CASES[0])
    yield made
    made.conman.close()
    shutil.rmtree(made.folder)


@pytest.fixture
def unharmed(product: Product) -> Iterator[Product]:
    """The product; afterwards its surroundings and the store are as before, and no process took much memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    yield product
    changed, left = product.around.changes(), product.left()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    for image in product.conman.images.list():
        product.conman.images.remove(image.id, force=True)
    assert changed == [], "outside the store: " + "\n".join(changed)
    assert left == [], "left in the store: " + "\n".join(left)
    assert peak <= max(before, MOST_MEMORY), f"a process held {peak} KiB"
