"""Layers built by hand, and a folder in memory that they are unpacked into by the real worker."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Callable, Iterator, Literal

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.slots.storage import Whiteouts
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import Limits, UnpackRequest, UnpackResult

from .trees import Trees

EPOCH = 1_600_000_000


class Layer:
    """A tar, entry by entry. ``raw`` appends bytes as they are."""

    def __init__(self, form: Literal[0, 1, 2] = tarfile.PAX_FORMAT) -> None:
        self._buffer = io.BytesIO()
        self._form = form
        self._closed = False

    def add(self, name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", *, link: str = "", mode: int = 0o644,
            uid: int = 0, gid: int = 0, mtime: float = EPOCH, xattrs: dict[str, str] | None = None,
            device: tuple[int, int] = (0, 0)) -> Layer:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode, info.uid, info.gid, info.mtime = kind, link, mode, uid, gid, mtime
        info.size, (info.devmajor, info.devminor) = len(data), device
        info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in (xattrs or {}).items()}
        self._buffer.write(info.tobuf(self._form, "utf-8", "surrogateescape"))
        self._buffer.write(data + bytes(-len(data) % 512))
        return self

    def folder(self, name: str, mode: int = 0o755, **more: object) -> Layer:
        return self.add(name, tarfile.DIRTYPE, mode=mode, **more)  # type: ignore[arg-type]

    def symlink(self, name: str, target: str) -> Layer:
        return self.add(name, tarfile.SYMTYPE, link=target, mode=0o777)

    def link(self, name: str, target: str) -> Layer:
        return self.add(name, tarfile.LNKTYPE, link=target)

    def raw(self, data: bytes) -> Layer:
        self._buffer.write(data)
        return self

    def bytes(self) -> bytes:
        return self._buffer.getvalue() + bytes(1024)


class Bench:
    """A root with a sentinel beside it, and the worker."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.outside = folder / "outside"
        self.root.mkdir()
        self.outside.mkdir()
        (self.outside / "sentinel").write_text("untouched")
        self._blob = folder / "blob"

    def unpack(self, layer: Layer | bytes, *, alone: bool = False, base: bool = False,
               limits: Limits | None = None, cancel: Cancel | None = None) -> UnpackResult:
        """``alone``: in overlay form; else merged onto what the root holds."""
        self._blob.write_bytes(layer if isinstance(layer, bytes) else layer.bytes())
        blob = os.open(self._blob, os.O_RDONLY)
        target = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            return Worker().unpack(UnpackRequest(
                blob_fd=blob, target_fd=target, media_type="application/vnd.oci.image.layer.v1.tar",
                whiteouts=Whiteouts.OVERLAY if alone else Whiteouts.APPLIED, merged=not alone, base=base,
                limits=limits or Limits(), cancel=cancel or Cancel(60)))
        finally:
            os.close(blob)
            os.close(target)

    def is_unharmed(self) -> bool:
        return os.listdir(self.outside) == ["sentinel"] and (self.outside / "sentinel").read_text() == "untouched"


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="cw-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    made = Bench(folder)
    yield made
    assert made.is_unharmed(), "the worker reached outside its root"


@pytest.fixture
def new_layer() -> Callable[..., Layer]:
    return Layer


@pytest.fixture
def trees(folder: Path) -> Trees:
    return Trees(folder)


@pytest.fixture
def overlay(folder: Path) -> Iterator[Callable[[Path, str], tuple[Path, Path]]]:
    """Mounts overlayfs over a lower folder; gives the merged and the upper one."""
    mounted: list[Path] = []

    def mount(lower: Path, options: str = "index=off,redirect_dir=off,metacopy=off") -> tuple[Path, Path]:
        place = folder / f"overlay{len(mounted)}"
        for part in ("merged", "upper", "work"):
            (place / part).mkdir(parents=True)
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                        f"lowerdir={lower},upperdir={place}/upper,workdir={place}/work,{options}", place / "merged"], check=True)
        mounted.append(place / "merged")
        return place / "merged", place / "upper"

    yield mount
    for path in mounted:
        subprocess.run(["umount", path], check=True)
