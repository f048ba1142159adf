"""The image service on a transport and a storage driver of plain folders; the worker, the index and the blobs are real."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, InvalidState, NotFound, Unavailable
from conman_kernel.images.parts import Parts
from conman_kernel.images.service import Images
from conman_kernel.slots.storage import (
    AcquireRequest,
    CommitRequest,
    Info,
    KeyRequest,
    Mount,
    PrepareRequest,
    Snapshot,
    Usage,
    Whiteouts,
)
from conman_kernel.slots.transport import OpenRequest, Resolved, ResolveRequest
from conman_kernel.store.blobs import Blobs
from conman_kernel.store.index import Index
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks
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


class Folders:
    """A storage driver of folders: whole trees by copying, or one folder a layer where ``independent``."""

    def __init__(self, root: Path, *, independent: bool) -> None:
        self.root = root
        self.independent_layers = independent
        self.whiteouts = Whiteouts.OVERLAY if independent else Whiteouts.APPLIED
        self.prepared: list[PrepareRequest] = []
        self.lazy: set[str] = set()
        self.before_commit: Callable[[CommitRequest], None] = lambda request: None
        self._guard = threading.Lock()
        for name in ("active", "committed"):
            (root / name).mkdir(parents=True)

    def tree(self, name: str) -> Path:
        return self.root / "committed" / name / "tree"

    def names(self, kind: str) -> set[str]:
        return {entry.name for entry in (self.root / kind).iterdir()}

    def prepare(self, request: PrepareRequest) -> Snapshot:
        with self._guard:
            self.prepared.append(request)
        folder = self.root / "active" / request.key
        if folder.exists():
            raise AlreadyExists(request.key)
        if not self.independent_layers and request.parent is not None:
            if not self.tree(request.parent).exists():
                raise NotFound(request.parent)
            shutil.copytree(self.tree(request.parent), folder / "tree", symlinks=True)
        else:
            (folder / "tree").mkdir(parents=True)
        (folder / "parent").write_text(request.parent or "")
        return Snapshot(request.key, str(folder / "tree"))

    def view(self, request: PrepareRequest) -> Snapshot:
        return self.prepare(request)

    def layer(self, request: KeyRequest) -> str | None:
        for kind in ("committed", "active"):
            if (self.root / kind / request.key).exists():
                return str(self.root / kind / request.key / "tree")
        raise NotFound(request.key)

    def commit(self, request: CommitRequest) -> None:
        self.before_commit(request)
        source, target = self.root / "active" / request.key, self.root / "committed" / request.name
        if not source.exists():
            raise NotFound(request.key)
        parent = (source / "parent").read_text()
        if parent and not self.tree(parent).exists():
            raise NotFound(parent)
        try:
            os.rename(source, target)  # onto a folder that is not empty it fails: two who commit at once
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            raise AlreadyExists(request.name) from None

    def mounts(self, request: KeyRequest) -> tuple[Mount, ...]:
        raise NotImplementedError

    def remove(self, request: KeyRequest) -> None:
        committed = self.root / "committed"
        if (committed / request.key).exists():
            if any((entry / "parent").read_text() == request.key for entry in committed.iterdir()):
                raise InvalidState(f"{request.key} has children")
            shutil.rmtree(committed / request.key)
        shutil.rmtree(self.root / "active" / request.key, ignore_errors=True)

    def stat(self, request: KeyRequest) -> Info:
        if not self.tree(request.key).exists():
            raise NotFound(request.key)
        return Info(request.key, None, "committed", 0.0)

    def walk(self, cancel: Cancel) -> Iterator[Info]:
        return iter(())

    def usage(self, request: KeyRequest) -> Usage:
        return Usage(4096, 1)

    def acquire(self, request: AcquireRequest) -> bool:
        if request.chain_id not in self.lazy:
            return False
        self.tree(request.chain_id).mkdir(parents=True)
        (self.tree(request.chain_id).parent / "parent").write_text(request.parent or "")
        return True

    def close(self) -> None:
        return


class Bench:
    """One store with its service, transport and drivers."""

    def __init__(self, root: Path, *, independent: bool, keep_blobs: bool = True) -> None:
        self.root = root
        self.layout = Layout(str(root / "root"), str(root / "run"))
        self.index = Index(self.layout)
        self.blobs = Blobs(self.layout)
        self.shelf = Shelf()
        self.driver = Folders(root / "driver", independent=independent)
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
        return {path for path in found if not path.startswith(("root/index.db", "root/locks"))}

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
