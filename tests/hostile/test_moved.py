"""Every hostile archive of images through ``load``, by its path and through a pipe; the table is in ``moved.py``."""

from __future__ import annotations

import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Cancel
from conman_kernel.errors import ConmanError
from conman_kernel.testing.hostile import nodes
from conman_kernel.testing.registry import Registry

from .moved import CASES, IMAGE, SPOOL_LIMIT, Moved, docker, oci
from .product import DEADLINE, Product


@pytest.fixture(scope="module")
def product(place: Path, registry: Registry) -> Iterator[Product]:
    """A store whose plugins take little of a packed archive, and have taken one of each kind already."""
    made = Product(place / "moved", "overlay-storage")
    made.conman.close()
    (made.folder / "conman.toml").write_text("".join(f"[plugin.{name}]\nspool_limit = {SPOOL_LIMIT}\n" for name in ("docker-archive", "oci-archive")))
    made.conman = made.opened()
    import gzip

    for data in (docker(), oci()):
        (place / "packed").write_bytes(gzip.compress(data))
        made.conman.images.load(str(place / "packed"))
    for image in made.conman.images.list():
        made.conman.images.remove(image.id, force=True)
    made.settle(registry, nodes.CASES[0])
    yield made
    made.conman.close()
    shutil.rmtree(made.folder)


def test_names_are_names() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("way", ["file", "pipe"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_moved(case: Moved, way: str, unharmed: Product, place: Path) -> None:
    data = case.make()
    path = place / "archive"
    path.write_bytes(data)
    start = time.monotonic()
    try:
        if case.error is None:
            (loaded,) = load(unharmed, path, data, way)
            assert f"sha256:{loaded.image.id}" == IMAGE.image_id
            assert time.monotonic() - start < DEADLINE
            loaded.image.remove(force=True)
            return
        with pytest.raises(ConmanError) as caught:
            load(unharmed, path, data, way)
    finally:
        path.unlink()
    assert time.monotonic() - start < DEADLINE
    assert type(caught.value) is case.error, f"{type(caught.value).__name__}: {caught.value}"
    said = str(caught.value)
    assert [words for words in case.words if not re.search(words, said)] == [], said
    assert len(said.splitlines()) == 1 and said.isprintable() and len(said) < 1000, repr(said)
    assert "/proc/self/fd" not in said, said


def load(product: Product, path: Path, data: bytes, way: str):
    """Load it, and be done in time."""
    with Cancel(DEADLINE) as cancel:
        if way == "file":
            return product.conman.images.load(str(path), cancel=cancel)
        source, sink = os.pipe()
        writer = threading.Thread(target=_feed, args=(sink, data))
        writer.start()
        try:
            return product.conman.images.load(f"/dev/fd/{source}", cancel=cancel)
        finally:
            os.close(source)
            writer.join(DEADLINE)


def _feed(sink: int, data: bytes) -> None:
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(sink, view):]
    except BrokenPipeError:
        return
    finally:
        os.close(sink)
