"""A tree that is in use while it is packed: no crash, no way out of it, and a tar that can be read."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import threading
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled
from conman_kernel.slots.storage import Whiteouts
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import PackRequest, PackResult

SIZE = 20_000_000
AT_FIRST = 1_000_000
"""Bytes of the first file's data that are taken before the tree is changed; the worker is then far from its end."""


class Slow:
    """Packs into a pipe that is read in two parts, with time for changes between them."""

    def __init__(self, root: Path) -> None:
        self._reader, writer = os.pipe()
        self.results: list[PackResult] = []

        def work() -> None:
            fd = os.open(root, os.O_RDONLY)
            try:
                self.results.append(Worker().pack(PackRequest(fd, None, Whiteouts.APPLIED, writer, Cancel(60), "none")))
            finally:
                os.close(fd)
                os.close(writer)

        self._thread = threading.Thread(target=work)
        self._thread.start()
        self._file = open(self._reader, "rb")  # noqa: SIM115 (closed in rest)
        self._first = self._file.read(AT_FIRST)

    def rest(self) -> tarfile.TarFile:
        with self._file:
            data = self._first + self._file.read()
        self._thread.join()
        assert self.results[0].tar_size == len(data)
        return tarfile.open(fileobj=io.BytesIO(data))


@pytest.fixture
def root(trees) -> Path:
    made: Path = trees.make("root")
    (made / "a").write_bytes(b"\1" * SIZE)
    for name in ("d/in", "e/in", "z"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(name)
    outside = trees.make("outside")
    (outside / "secret").write_text("secret")
    return made


def read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def test_a_file_that_shrinks_is_filled(root):
    slow = Slow(root)
    os.truncate(root / "a", SIZE // 2)
    archive = slow.rest()
    assert read(archive, "a") == b"\1" * (SIZE // 2) + bytes(SIZE // 2)
    assert archive.getnames() == ["a", "d", "d/in", "e", "e/in", "z"]


def test_a_file_that_grows_is_cut(root):
    slow = Slow(root)
    with (root / "a").open("ab") as more:
        more.write(b"more" * 10_000)
    archive = slow.rest()
    assert read(archive, "a") == b"\1" * SIZE
    assert archive.getnames() == ["a", "d", "d/in", "e", "e/in", "z"]


def test_what_vanishes_is_left_out_and_what_becomes_a_link_is_not_followed(root):
    slow = Slow(root)
    shutil.rmtree(root / "d")
    (root / "d").symlink_to("../outside")
    shutil.rmtree(root / "e")
    (root / "z").unlink()
    os.mkfifo(root / "z")
    archive = slow.rest()
    assert archive.getnames() == ["a", "d", "z"]
    assert archive.getmember("d").issym() and archive.getmember("z").isfifo()


def test_a_tree_in_wild_use(root, trees):
    """Whatever the other side does: there is a tar, and it holds nothing from outside."""
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            for name in ("d", "w"):
                shutil.rmtree(root / name, ignore_errors=True)
                (root / name).symlink_to(trees.folder / "outside")
                (root / name).unlink()
                (root / name).mkdir()
                (root / name / "secret").write_text("own")
                os.truncate(root / "a", 5)
                os.truncate(root / "a", 50_000)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(30):
            trees.pack(root)
            with tarfile.open(trees.blob) as archive:
                for info in archive:
                    if info.isfile() and info.name.endswith("secret"):
                        assert read(archive, info.name).rstrip(b"\0") in (b"own", b"")
            trees.changes(root)
    finally:
        stop.set()
        thread.join()


def test_cancel_ends_it(root):
    fd, cancel = os.open(root, os.O_RDONLY), Cancel(60)
    reader, writer = os.pipe()
    try:
        with pytest.raises(Cancelled):
            Worker().pack(PackRequest(fd, None, Whiteouts.APPLIED, writer, cancel, "none", progress=lambda count: cancel.cancel()))
    finally:
        for each in (fd, reader, writer):
            os.close(each)
