"""Images for the pull benchmarks: the same bytes every time, content as mixed as a distribution's.

Usage: ``python benchmarks/image.py DIR [--bytes N] [--files N]`` writes an OCI layout folder, tagged ``latest``.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import random
import tarfile
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, NamedTuple, Sequence

if TYPE_CHECKING:
    from typing_extensions import Buffer

LAYERS = 3

_letters = random.Random(0)
WORDS = ["".join(_letters.choices("etaoinshrdlucmfwyp", k=_letters.randint(2, 12))) for _ in range(3000)]


class Part(NamedTuple):
    """What one layer is to hold.

    :param number: parts of the same number, files and size are the same layer.
    :param size: bytes of all files together.
    """

    number: int
    files: int
    size: int


class Layer(NamedTuple):
    """One finished layer in the layout."""

    digest: str
    size: int
    diff_id: str


class _Sink(io.RawIOBase):
    """A file-like object that compresses and hashes what a tarfile writes, and keeps the plain digest too."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("wb")
        self.packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        self.plain, self.packed, self.size = hashlib.sha256(), hashlib.sha256(), 0

    def write(self, data: Buffer, /) -> int:
        self.plain.update(data)
        self._put(self.packer.compress(data))
        return memoryview(data).nbytes

    def _put(self, data: bytes) -> None:
        self.packed.update(data)
        self.size += len(data)
        self.file.write(data)

    def finish(self) -> None:
        """Write what is left and close the file."""
        self._put(self.packer.flush())
        self.file.close()


def _contents(number: int, size: int) -> bytes:
    """About 60 % of words (text, code), 30 % records (binaries), 10 % noise that no compressor shrinks."""
    source = random.Random(number)
    kind = number % 20
    if kind < 12:
        return " ".join(source.choices(WORDS, k=size // 6 + 1)).encode()[:size]
    if kind < 18:
        records = (source.randbytes(96) + bytes(152) + n.to_bytes(8, "little") for n in range(size // 256 + 1))
        return b"".join(records)[:size]
    return source.randbytes(size)


def _sizes(files: int, total: int, seed: int) -> list[int]:
    """File sizes that add up to ``total``: many small ones and a few large, as in a distribution."""
    source = random.Random(seed)
    weights = [source.paretovariate(1.1) for _ in range(files)]
    weights = [min(w, files / 20) for w in weights]
    scale = total / sum(weights)
    return [int(w * scale) for w in weights]


def write_layer(folder: Path, part: Part) -> Layer:
    """Write one layer's blob, named after its digest, into ``folder``."""
    number = part.number
    unfinished = folder / f"layer-{number}-{part.files}-{part.size}.part"
    sink = _Sink(unfinished)
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 20) as archive:
        made: set[str] = set()
        for index, size in enumerate(_sizes(part.files, part.size, number)):
            parent = f"usr/share/layer{number}/d{index // 100:03}"
            for name in ("usr", "usr/share", f"usr/share/layer{number}", parent):
                if name not in made:
                    made.add(name)
                    info = tarfile.TarInfo(name)
                    info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, 1_600_000_000
                    archive.addfile(info)
            info = tarfile.TarInfo(f"{parent}/file{index:05}")
            info.size, info.mode, info.mtime = size, 0o644, 1_600_000_000 + index
            archive.addfile(info, io.BytesIO(_contents(number * 1_000_003 + index, size)))
    sink.finish()
    digest = sink.packed.hexdigest()
    unfinished.rename(folder / digest)
    return Layer(f"sha256:{digest}", sink.size, f"sha256:{sink.plain.hexdigest()}")


def even(total: int, files: int, layers: int) -> list[Part]:
    """``total`` bytes in ``files`` files, spread evenly over the layers."""
    return [Part(number, files // layers, total // layers) for number in range(layers)]


def write(layout: Path, images: Mapping[str, Sequence[Part]]) -> dict[str, list[Layer]]:
    """Write images, by tag, into one layout folder; returns the layers of each."""
    folder = layout / "blobs" / "sha256"
    folder.mkdir(parents=True)
    parts = list(dict.fromkeys(part for wanted in images.values() for part in wanted))
    with ProcessPoolExecutor(max_workers=2) as pool:
        made = dict(zip(parts, pool.map(write_layer, [folder] * len(parts), parts)))
    found = {tag: [made[part] for part in wanted] for tag, wanted in images.items()}
    tops = [_manifest(folder, tag, layers) for tag, layers in found.items()]
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": tops}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return found


def _manifest(folder: Path, tag: str, layers: Sequence[Layer]) -> dict[str, object]:
    """The configuration and the manifest of one image; returns the manifest's descriptor."""
    def put(document: object, media_type: str) -> dict[str, object]:
        body = json.dumps(document, sort_keys=True).encode()
        digest = hashlib.sha256(body).hexdigest()
        (folder / digest).write_bytes(body)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(body)}

    oci = "application/vnd.oci.image"
    machine = "arm64" if "aarch64" in os.uname().machine else "amd64"
    config = put({"architecture": machine, "os": "linux", "config": {"Cmd": ["true"]},
                  "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]}},
                 f"{oci}.config.v1+json")
    rows = [{"mediaType": f"{oci}.layer.v1.tar+gzip", "digest": layer.digest, "size": layer.size} for layer in layers]
    top = put({"schemaVersion": 2, "mediaType": f"{oci}.manifest.v1+json", "config": config, "layers": rows},
              f"{oci}.manifest.v1+json")
    return {**top, "annotations": {"org.opencontainers.image.ref.name": tag}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("layout", type=Path)
    parser.add_argument("--bytes", type=int, default=10**9)
    parser.add_argument("--files", type=int, default=50_000)
    chosen = parser.parse_args()
    for layer in write(chosen.layout, {"latest": even(chosen.bytes, chosen.files, LAYERS)})["latest"]:
        print(layer.digest, layer.size)
