"""The image service on a transport and a storage driver of plain folders; the worker, the index and the blobs are real."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.errors import NotFound, Unavailable
from conman_kernel.images.parts import Parts
from conman_kernel.images.service import Images
from conman_kernel.slots.transport import OpenRequest, Resolved, ResolveRequest
from conman_kernel.store.blobs import Blobs
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks
from conman_kernel.testing.folder_storage import FolderStorage
from conman_kernel.testing.images import Image as Made
from conman_kernel.worker.client import Worker


class Stream:
    """Chunks of some bytes; ``break_at`` ends in an error, as a broken connection does."""

    def __init__(self, data: bytes, offset: int, break_at: int | None, before: Callable[[int], None]) -> None:
        self.offset = offset
        self._data = data
        self._break_at = break_at
        self._before = before
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        at, size = self.offset, 1000
        while at < len(self._data):
            self._before(at)
            if self._break_at is not None and at + size > self._break_at:
                if self._break_at > at:
                    yield self._data[at:self._break_at]
                raise Unavailable("the connection broke")
            yield self._data[at:at + size]
            at += size

    def close(self) -> None:
        self.closed = True


class Shelf:
    """A transport over images in memory, by location."""

    def __init__(self) -> None:
        self.images: dict[str, Made] = {}
        self.blobs: dict[str, bytes] = {}
        self.opened: list[tuple[str, int]] = []
        self.resolved: list[str] = []
        self.known: list[str] = []
        self.break_at: dict[str, int] = {}
        self.before: Callable[[str, int], None] = lambda digest, at: None
        self.seekable = True
        self.down = False
        self.streams: list[Stream] = []

    def add(self, location: str, made: Made) -> Made:
        self.images[location] = made
        self.blobs.update(made.blobs)
        return made

    def resolve(self, request: ResolveRequest) -> Resolved:
        self.resolved.append(request.location)
        self.known.append(request.known)
        if self.down:
            raise Unavailable("the registry is down")
        made = self.images.get(request.location)
        if made is None:
            raise NotFound(f"{request.location}: not found")
        return Resolved(made.descriptor)

    def open(self, request: OpenRequest) -> Stream:
        digest = request.descriptor.digest
        offset = request.offset if self.seekable else 0
        self.opened.append((digest, request.offset))
        if digest not in self.blobs:
            raise NotFound(f"{digest}: not found")
        stream = Stream(self.blobs[digest], offset, self.break_at.pop(digest, None), lambda at: self.before(digest, at))
        self.streams.append(stream)
        return stream

    def close(self) -> None:
        return

    def times(self, digest: str) -> int:
        return sum(1 for opened, _ in self.opened if opened == digest)


class Bench:
    """One store with its service, transport and drivers."""

    def __init__(self, root: Path, *, independent: bool, keep_blobs: bool = True) -> None:
        self.root = root
        self.layout = Layout(str(root / "root"), str(root / "run"))
        self.index = Index(self.layout)
        self.blobs = Blobs(self.layout)
        self.shelf = Shelf()
        self.driver = FolderStorage(str(root / "driver"), independent=independent)
        self.parts = Parts(
            layout=self.layout, database=self.index, locks=Locks(self.layout), blobs=self.blobs, worker=Worker,
            storage=lambda name: {"folders": self.driver}[name], default_storage="folders",
            transport=lambda scheme, access: self.shelf, short_names=("docker.io/library",), keep_blobs=keep_blobs,
            parallel=3, log=logging.getLogger("conman-test"))
        self.images = Images(self.parts)

    def files(self) -> set[str]:
        """Every file of the store and the driver, but the index and its lock."""
        found = set()
        for folder in ("root", "driver", "run"):
            base = self.root / folder
            found |= {str(path.relative_to(self.root)) for path in base.rglob("*") if not path.is_dir()}
        return {path for path in found if not path.startswith(("root/index.db", "root/locks", "driver/lock"))}

    def rows(self, table: str) -> int:
        with self.index.read() as db:
            return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def close(self) -> None:
        self.index.close()


@pytest.fixture(params=["vfs-like", "overlay-like"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A store on a driver that copies whole trees, and on one that takes layers by themselves."""
    made = Bench(tmp_path, independent=request.param == "overlay-like")
    yield made
    made.close()


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """Stores by choice: ``make_bench(independent=True, keep_blobs=False)``."""
    made: list[Bench] = []

    def make(**options: bool) -> Bench:
        made.append(Bench(tmp_path / f"bench-{len(made)}", **options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()
