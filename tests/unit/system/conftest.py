"""A whole store with real storage drivers, workers and index, whose registry is a shelf in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel import Conman
from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound, Unavailable
from conman_kernel.images.image import Image
from conman_kernel.images.mounted import merged
from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.slots.provider import Access
from conman_kernel.slots.storage import KeyRequest, PrepareRequest
from conman_kernel.slots.transport import OpenRequest, Resolved, ResolveRequest
from conman_kernel.testing.images import Image as Made
from conman_kernel.testing.images import directory, file, image, layer, symlink
from conman_kernel.testing.trees import Entry, read_tree

HOST = "registry.test"


class Stream:
    """The rest of some bytes."""

    def __init__(self, data: bytes, offset: int) -> None:
        self.offset = offset
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        for at in range(self.offset, len(self._data), 4096):
            yield self._data[at:at + 4096]

    def close(self) -> None:
        return


class Shelf:
    """A registry in memory, as a transport."""

    def __init__(self) -> None:
        self.images: dict[str, Made] = {}
        self.blobs: dict[str, bytes] = {}
        self.opened: list[str] = []
        self.down = False
        self.before: Callable[[str], None] = lambda digest: None

    def add(self, name: str, made: Made) -> Made:
        self.images[f"{HOST}/{name}:latest"] = made
        self.blobs.update(made.blobs)
        return made

    def resolve(self, request: ResolveRequest) -> Resolved:
        if self.down:
            raise Unavailable("the registry is down")
        if request.location not in self.images:
            raise NotFound(f"{request.location}: not found")
        return Resolved(self.images[request.location].descriptor)

    def open(self, request: OpenRequest) -> Stream:
        if self.down:
            raise Unavailable("the registry is down")
        self.before(request.descriptor.digest)
        self.opened.append(request.descriptor.digest)
        if request.descriptor.digest not in self.blobs:
            raise NotFound(f"{request.descriptor.digest}: not found")
        return Stream(self.blobs[request.descriptor.digest], request.offset)

    def close(self) -> None:
        return


class Store(Conman):
    """A ``Conman`` whose images come from a :class:`Shelf`."""

    def __init__(self, folder: Path, driver: str, shelf: Shelf, **overrides: object) -> None:
        super().__init__(root=str(folder / "root"), run_root=str(folder / "run"), environ={"CONMAN_CONTAINERS_NETWORK": "none"},
                         overrides={"storage.driver": driver, "runtime.name": "runc-runtime", **overrides})
        self.driver_name = driver
        self.shelf = shelf

    def _transport(self, scheme: str, access: Access) -> Shelf:  # type: ignore[override]
        return self.shelf

    def pull(self, name: str) -> Image:
        return self.images.pull(f"{HOST}/{name}")

    def create(self, image: Image | str, name: str = "") -> str:
        return self.containers.create(image, ContainerOptions(name=name, command=("x",))).id

    def layer_folder(self, chain_id: str) -> Path:
        found = self._driver(self.driver_name).layer(KeyRequest(chain_id, Cancel()))
        assert found is not None
        return Path(found)

    def tree(self, chain_id: str) -> dict[str, Entry]:
        """Every entry that a container from this layer would see."""
        driver, cancel = self._driver(self.driver_name), Cancel()
        driver.view(PrepareRequest("look", chain_id, cancel))
        try:
            with merged(driver.mounts(KeyRequest("look", cancel)), self.layout, "look") as fd:
                return read_tree(f"/proc/self/fd/{fd}/.")
        finally:
            driver.remove(KeyRequest("look", cancel))

    def rows(self, question: str, *values: object) -> list[tuple[object, ...]]:
        with self.images.parts.database.read() as db:
            return [tuple(row) for row in db.execute(question, values)]

    def change(self, statement: str, *values: object) -> None:
        """Damage the index, foreign keys or not."""
        with self.images.parts.database.write() as db:
            db.execute("PRAGMA defer_foreign_keys=ON")
            db.execute(statement, values)

    def kinds(self, **options: bool) -> list[str]:
        return [finding.kind for finding in self.system.check(max_age=0.0, **options).findings]  # type: ignore[arg-type]


BASE = layer([directory("etc"), directory("bin"), file("etc/base", b"base" * 50), symlink("etc/link", "base")])
MIDDLE = layer([directory("etc"), file("etc/middle", b"middle" * 500)])
TOPS = [layer([directory("etc"), file("etc/top", f"top {n}".encode() * 300)]) for n in range(4)]


def images() -> dict[str, Made]:
    """Four images that share layers, and one that shares none."""
    config = {"Cmd": ["x"], "Labels": {"kind": "test"}}
    return {
        "one": image([BASE, MIDDLE, TOPS[0]], config=config), "two": image([BASE, MIDDLE, TOPS[1]], config=config),
        "low": image([BASE], config=config), "half": image([BASE, TOPS[2]], config=config),
        "other": image([TOPS[3]], config=config)}


@pytest.fixture
def shelf() -> Shelf:
    """A registry with :func:`images`."""
    made = Shelf()
    for name, one in images().items():
        made.add(name, one)
    return made


@pytest.fixture(params=["overlay-storage", "vfs-storage"])
def store(request: pytest.FixtureRequest, scratch: Path, shelf: Shelf) -> Iterator[Store]:
    """An empty store in memory, once for each driver."""
    made = Store(scratch, request.param, shelf)
    yield made
    made.close()
