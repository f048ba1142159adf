"""Archives that are written: what skopeo and podman make of them, names, sharing, and that they appear whole or not at all."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile

import pytest

from conman_docker_archive.transport import DockerArchiveTransport
from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, InvalidInput
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.digest import digest_of
from conman_kernel.oci.docker_manifest import docker_manifest
from conman_kernel.oci.media_types import DOCKER_LAYER, DOCKER_MANIFEST
from conman_kernel.slots.transport import PutBlobRequest, PutManifestRequest, ResolveRequest, WriteRequest
from conman_kernel.testing import images

from .archives import parts, plain

CANCEL = Cancel()
ONE = images.layer([images.file("one", b"1" * 5000)])
IMAGE = images.image([ONE, images.layer([images.file("two", b"2")]), ONE], config={"Cmd": ["x"]})
OTHER = images.image([ONE], config={"User": "other"})


@pytest.fixture
def transport() -> DockerArchiveTransport:
    return DockerArchiveTransport()


def put(writer, made: images.Image, *names: str) -> tuple[list[str], str]:
    """What the kernel does for a writer of plain layers. Returns how each blob got there, and the manifest's digest."""
    assert writer.plain_layers and not writer.indexes
    config, layers = parts(made)
    rows = [Descriptor(DOCKER_LAYER, digest_of(plain(layer)), len(plain(layer))) for layer in layers]
    top = Descriptor("application/vnd.oci.image.config.v1+json", made.image_id, len(config))
    blobs = {top: config, **dict(zip(rows, map(plain, layers), strict=True))}
    said = [writer.put_blob(PutBlobRequest(row, serve(data), (), lambda count: None, CANCEL)) for row, data in blobs.items()]
    document = docker_manifest(top, rows)
    written = Descriptor(DOCKER_MANIFEST, digest_of(document), len(document))
    writer.put_manifest(PutManifestRequest(written, document, names, True, CANCEL))
    return said, written.digest


def serve(data: bytes):
    """Bytes as a writer asks for them."""
    return lambda offset: iter([data[offset:]])


def write(transport, location: str, *made: tuple[images.Image, tuple[str, ...]]) -> list[str]:
    writer = transport.write(WriteRequest(location, CANCEL, "docker-archive"))
    try:
        digests = [put(writer, image, *names)[1] for image, names in made]
        writer.commit(CANCEL)
    finally:
        writer.close()
    return digests


def test_the_digest_that_was_told_is_the_one_it_is_found_by(tmp_path, transport):
    digests = write(transport, str(tmp_path / "a"), (IMAGE, ("box:1",)), (OTHER, ()))
    for number, digest in enumerate(digests):
        assert transport.resolve(ResolveRequest(f"{tmp_path}/a:@{number}", CANCEL)).descriptor.digest == digest


def test_what_is_in_it(tmp_path, transport):
    write(transport, str(tmp_path / "a"), (IMAGE, ("box:1", "registry.example/x/y:2", "box:1")), (OTHER, ()))
    with tarfile.open(tmp_path / "a") as archive:
        names = archive.getnames()
        stream = archive.extractfile("manifest.json")
        assert stream is not None
        listed = json.load(stream)
    assert len(names) == len(set(names)) == 5, "two configurations, two layers, one list: what is shared is there once"
    assert names[-1] == "manifest.json"
    assert [row["RepoTags"] for row in listed] == [["docker.io/library/box:1", "registry.example/x/y:2"], []]
    assert listed[0]["Layers"][0] == listed[0]["Layers"][2] == listed[1]["Layers"][0]


def test_a_name_in_the_location(tmp_path, transport):
    write(transport, f"{tmp_path}/a:box", (IMAGE, ()))
    (found,) = transport.images(ResolveRequest(str(tmp_path / "a"), CANCEL))
    assert found.names == ("docker.io/library/box:latest",)


def test_skopeo_and_podman_read_it(tmp_path, transport):
    write(transport, f"{tmp_path}/a", (IMAGE, ("x/y:1",)), (OTHER, ("x/z:2",)))
    for name, made in (("x/y:1", IMAGE), ("@1", OTHER)):
        config = subprocess.run(["skopeo", "inspect", "--config", "--raw", f"docker-archive:{tmp_path}/a:{name}"], check=True, capture_output=True).stdout
        assert digest_of(config) == made.image_id
        subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"docker-archive:{tmp_path}/a:{name}", f"dir:{tmp_path}/dir"], check=True)
    with tempfile.TemporaryDirectory(prefix="da-") as short:  # podman takes no long path for its runroot
        done = subprocess.run(["podman", "--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
                               "load", "-q", "-i", f"{tmp_path}/a"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout
    assert loaded.splitlines() == ["Loaded image: docker.io/x/y:1", "Loaded image: docker.io/x/z:2"]


def test_what_is_given_up_leaves_what_was_there(tmp_path, transport):
    (tmp_path / "a").write_text("old")
    writer = transport.write(WriteRequest(str(tmp_path / "a"), CANCEL))
    put(writer, IMAGE)
    writer.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a"] and (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("location, error", [("/:@0", InvalidInput), ("{}:@0", InvalidInput), ("{}:a@sha256:" + "0" * 64, InvalidInput),
                                             ("{}:UP", InvalidInput), ("{}/..", AlreadyExists)])
def test_places_that_are_refused(tmp_path, transport, location, error):
    with pytest.raises(error):
        transport.write(WriteRequest(location.format(tmp_path / "a" if ":" in location else tmp_path), CANCEL))
    assert list(tmp_path.iterdir()) == []


def test_an_index_is_refused(tmp_path, transport):
    both = images.index([IMAGE, OTHER])
    writer = transport.write(WriteRequest(str(tmp_path / "a"), CANCEL))
    with pytest.raises(InvalidInput, match="index"):
        writer.put_manifest(PutManifestRequest(both.descriptor, both.blobs[both.descriptor.digest], (), True, CANCEL))
    writer.close()
