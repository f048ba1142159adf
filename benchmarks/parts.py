"""What a pull consists of at least, each part done alone and once, in this process: hashing, inflating, writing the files.

Nothing here is fetched, parsed twice, checked or synced: the sum is what one processor needs for bytes that lie ready in memory.
A pull also talks to the registry and keeps the packed layers, but does its parts at the same time where there are processors.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import time
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Protocol, Sequence

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

from image import Layer
from measure import Whole
from report import Row, Table

PIECE = 1 << 18
PACKED, INFLATE, PLAIN, WRITE = "sha256 of the packed layers", "inflate", "sha256 of the inflated layers", "write the files"


def contestants(layout: Path, layers: Sequence[Layer], folder: Path) -> dict[str, Callable[[], Whole]]:
    """One measurement for each part.

    :param layout: has the layers as blobs.
    :param folder: made and removed by each writing.
    """
    blobs = [layout / "blobs" / layer.digest.replace(":", "/") for layer in layers]
    return {PACKED: lambda: _hash(_packed(blobs)), INFLATE: lambda: _inflate(blobs),
            PLAIN: lambda: _hash(_inflated(blobs)), WRITE: lambda: _write(blobs, folder)}


def table(measured: Mapping[str, Sequence[Whole]], name: str) -> Table:
    """The parts, their sum round by round, and the pulls beside it.

    :param measured: by contestant, parts and peers.
    :param name: whose pull is put beside the sum; podman's is, too, where it was measured.
    """
    times = {part: [found.seconds * 1000 for found in measured[part]] for part in (PACKED, INFLATE, PLAIN, WRITE)}
    rows = [Row(part, samples) for part, samples in times.items()]
    rows.append(Row("sum", [sum(together) for together in zip(*times.values())]))
    rows += [Row(f"{peer} pull", [found.seconds * 1000 for found in measured[peer]])
             for peer in (name, "podman") if peer in measured]
    notes = [f"one part after the other on one of {len(os.sched_getaffinity(0))} processors; inflated by {_library().__name__}"]
    return Table("pull-files", "the parts of that pull", "ms", rows, baseline="sum", notes=notes)


def _packed(blobs: Sequence[Path]) -> Iterator[bytes]:
    for blob in blobs:
        with blob.open("rb") as stream:
            while data := stream.read(PIECE):
                yield data


def _inflated(blobs: Sequence[Path], clock: Clock | None = None) -> Iterator[bytes]:
    clock = clock or Clock()
    for blob in blobs:
        member = _inflater()
        for data in _packed([blob]):
            while data:
                with clock:
                    out = member.decompress(data, PIECE)
                data = member.unconsumed_tail
                yield out


def _hash(pieces: Iterator[bytes]) -> Whole:
    clock, digest = Clock(), hashlib.sha256()
    for piece in pieces:
        with clock:
            digest.update(piece)
    return Whole(clock.seconds)


def _inflate(blobs: Sequence[Path]) -> Whole:
    clock = Clock()
    for _ in _inflated(blobs, clock):
        continue
    return Whole(clock.seconds)


class _Stream(io.RawIOBase):
    """What an iterator yields, as a file that tarfile reads."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._left = self._left or next(self._pieces, b"")
        view = memoryview(buffer)
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


def _write(blobs: Sequence[Path], folder: Path) -> Whole:
    """Only the system calls of making folders and files count."""
    clock = Clock()
    for number, blob in enumerate(blobs):
        root = folder / str(number)
        root.mkdir(parents=True)
        with tarfile.open(fileobj=io.BufferedReader(_Stream(_inflated([blob])), PIECE), mode="r|") as archive:
            for entry in archive:
                where = f"{root}/{entry.name}"
                body = archive.extractfile(entry)
                data = body.read() if body is not None else b""
                with clock:
                    if entry.isdir():
                        os.mkdir(where, entry.mode)
                    else:
                        fd = os.open(where, os.O_WRONLY | os.O_CREAT | os.O_EXCL, entry.mode)
                        os.write(fd, data)
                        os.utime(fd, (entry.mtime, entry.mtime))
                        os.close(fd)
                setattr(archive, "members", [])  # tarfile keeps every entry otherwise
    shutil.rmtree(folder)
    return Whole(clock.seconds)


class Clock:
    """Adds up the time spent in ``with`` blocks."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._start = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._start


class _Member(Protocol):
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _inflater() -> _Member:
    """As conman's worker does it: ISA-L where it is installed."""
    member: _Member = _library().decompressobj(31)
    return member


def _library() -> ModuleType:
    try:
        return import_module("isal.isal_zlib")
    except ImportError:
        return import_module("zlib")
