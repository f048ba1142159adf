"""A registry, and one store for each storage driver. What needs root says so."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.testing.hostile import nodes
from conman_kernel.testing.registry import Registry

from .product import DRIVERS, Product

OF_THE_SECOND_DRIVER = 4
"""Every so many cases go through it in CI."""

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it takes part in ``make stress``, most of the archives by the second driver there only; what mounts and makes
    devices needs root."""
    for number, item in enumerate(items):
        if "hostile" in item.path.parts:
            if item.name.startswith("test_archive[vfs-storage") and number % OF_THE_SECOND_DRIVER:
                item.add_marker(pytest.mark.stress)
            item.add_marker(pytest.mark.integration)
            if os.geteuid() != 0 and "fuzz" not in item.path.name:
                item.add_marker(pytest.mark.skip(reason="needs root: mounts, devices and owners"))


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
    findings = made.conman.system.check(max_age=0, cancel=Cancel(120))
    made.conman.close()
    shutil.rmtree(made.folder)
    assert list(findings.findings) == []


@pytest.fixture
def unharmed(product: Product) -> Iterator[Product]:
    """The product; afterwards its surroundings and the store are as before."""
    product.around.remember()
    yield product
    kept = [image.id for image in product.conman.images.list()]
    for image_id in kept:
        product.conman.images.remove(image_id, force=True)
    changed, left = product.around.changes(), product.left()
    assert kept == [], "an image of a refused case is in the store"
    assert changed == [], "outside the store: " + "\n".join(changed)
    assert left == [], "left in the store: " + "\n".join(left)
