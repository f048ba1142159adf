"""Docker archives in the forms that are about, made in memory."""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import Sequence

from conman_kernel.testing import images
from conman_kernel.testing.images import Entry, Image, digest_of, directory, file, symlink

FORMS = ("docker before 25", "docker 25", "docker with containerd", "podman")


def plain(blob: bytes) -> bytes:
    """A layer's tar."""
    return zlib.decompress(blob, wbits=31) if blob[:2] == b"\x1f\x8b" else blob


def parts(made: Image) -> tuple[bytes, list[bytes]]:
    """An image's configuration and its layers as they are stored."""
    manifest = json.loads(made.blobs[made.descriptor.digest])
    return made.blobs[made.image_id], [made.blobs[row["digest"]] for row in manifest["layers"]]


def digits(digest: str) -> str:
    return digest.partition(":")[2]


def blob_name(digest: str) -> str:
    return f"blobs/sha256/{digits(digest)}"


def members(form: str, listed: Sequence[tuple[Image, Sequence[str]]]) -> list[Entry]:
    """The members of an archive of images, each with its names."""
    made: dict[str, Entry] = {}
    rows: list[dict[str, object]] = []
    tops: list[dict[str, object]] = []
    repositories: dict[str, dict[str, str]] = {}
    for image, names in listed:
        config, layers = parts(image)
        tars = [plain(layer) for layer in layers]
        if form == "docker before 25":
            paths = _legacy(made, image, tars)
            name = f"{digits(image.image_id)}.json"
        elif form == "podman":
            paths = [f"{digits(digest_of(tar))}.tar" for tar in tars]
            made.update((path, file(path, tar)) for path, tar in zip(paths, tars, strict=True))
            for number, path in enumerate(paths):
                _folder(made, hashlib.sha256(f"{image.image_id}{number}".encode()).hexdigest(), symlink("layer.tar", f"../{path}"))
            name = f"{digits(image.image_id)}.json"
        else:
            kept = layers if form == "docker with containerd" else tars
            paths = [blob_name(digest_of(layer)) for layer in kept]
            made.update((path, file(path, layer)) for path, layer in zip(paths, kept, strict=True))
            name = blob_name(image.image_id)
            if form == "docker with containerd":
                content = image.blobs[image.descriptor.digest]
            else:
                unpacked = images.image(tars, lies=images.Lies(config_bytes=config))
                content = unpacked.blobs[unpacked.descriptor.digest]
            made[blob_name(digest_of(content))] = file(blob_name(digest_of(content)), content)
            top: dict[str, object] = {"mediaType": image.descriptor.media_type, "digest": digest_of(content), "size": len(content)}
            tops += [{**top, "annotations": {"io.containerd.image.name": each}} for each in names] or [top]
        made[name] = file(name, config)
        rows.append({"Config": name, "RepoTags": list(names) or None, "Layers": paths})
        for each in names:
            repositories.setdefault(each.rpartition(":")[0], {})[each.rpartition(":")[2]] = "0" * 64
    found = [*made.values(), file("manifest.json", json.dumps(rows).encode()), file("repositories", json.dumps(repositories).encode())]
    if tops:
        found += [file("index.json", json.dumps({"schemaVersion": 2, "manifests": tops}).encode()),
                  file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]
    return found


def _legacy(made: dict[str, Entry], image: Image, tars: Sequence[bytes]) -> list[str]:
    """A folder for each layer; of two equal ones the second holds a link to the first."""
    paths: list[str] = []
    first: dict[bytes, str] = {}
    for number, tar in enumerate(tars):
        folder = hashlib.sha256(f"{image.image_id}{number}".encode()).hexdigest()
        known = first.setdefault(tar, folder)
        _folder(made, folder, file("layer.tar", tar) if known == folder else symlink("layer.tar", f"../{known}/layer.tar"))
        paths.append(f"{folder}/layer.tar")
    return paths


def _folder(made: dict[str, Entry], folder: str, layer: Entry) -> None:
    for entry in (directory(folder), file(f"{folder}/VERSION", b"1.0"), file(f"{folder}/json", b"{}"),
                  layer._replace(name=f"{folder}/layer.tar")):
        made[entry.name] = entry


def write(path: str, entries: Sequence[Entry]) -> None:
    """An archive of members."""
    with open(path, "wb") as stream:
        stream.write(images.layer(entries, compress=False))
