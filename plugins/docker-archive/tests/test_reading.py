"""Docker archives of every form: what they hold, by which names, with which digests; and what is wrong with broken ones."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
from typing import Iterator, Mapping

import pytest

import conman_docker_archive as plugin
from conman_docker_archive.transport import DockerArchiveTransport
from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.digest import digest_of
from conman_kernel.oci.manifest import Manifest, parse_manifest
from conman_kernel.oci.media_types import DOCKER_LAYER, DOCKER_MANIFEST
from conman_kernel.slots.provider import PluginContext
from conman_kernel.slots.transport import API, OpenRequest, ResolveRequest
from conman_kernel.testing import images

from .archives import FORMS, blob_name, digits, members, parts, plain, write

CANCEL = Cancel()
ONE = images.layer([images.file("one", os.urandom(200_000))])
IMAGE = images.image([ONE, images.layer([images.file("two", b"2")]), ONE])
OTHER = images.image([ONE], config={"User": "other"})


@pytest.fixture
def transport() -> Iterator[DockerArchiveTransport]:
    CANCEL.fileno()
    made = DockerArchiveTransport()
    descriptors = os.listdir("/proc/self/fd")
    yield made
    made.close()
    made.close()
    assert len(os.listdir("/proc/self/fd")) <= len(descriptors) + 1  # what an error that was caught still holds


def resolve(transport, location: str) -> tuple[Descriptor, Manifest]:
    found = transport.resolve(ResolveRequest(str(location), CANCEL))
    assert digest_of(found.content) == found.descriptor.digest and len(found.content) == found.descriptor.size
    parsed = parse_manifest(found.content, found.descriptor.media_type, "it")
    assert isinstance(parsed, Manifest)
    return found.descriptor, parsed


def read(transport, location: str, digest: str, offset: int = 0, kind: str = "x") -> bytes:
    return b"".join(transport.open(OpenRequest(str(location), Descriptor(kind, digest, -1), offset, CANCEL)))


def check(transport, location: str, made: images.Image) -> str:
    """The image at a location is this one, and all of it is there. Returns its manifest's digest."""
    descriptor, manifest = resolve(transport, location)
    config, layers = parts(made)
    assert manifest.config.digest == made.image_id and read(transport, location, made.image_id) == config
    assert len(manifest.layers) == len(layers)
    for row, layer in zip(manifest.layers, layers, strict=True):
        data = read(transport, location, row.digest)
        assert digest_of(data) == row.digest and len(data) == row.size and plain(data) == plain(layer)
        assert read(transport, location, row.digest, row.size - 3) == data[-3:]
        assert row.media_type.endswith("gzip") == (data[:2] == b"\x1f\x8b")
    assert digest_of(read(transport, location, descriptor.digest, kind=descriptor.media_type)) == descriptor.digest
    return descriptor.digest


@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, transport, form):
    path = str(tmp_path / "a.tar")
    write(path, members(form, [(IMAGE, ["box:1", "registry.example/box:2"]), (OTHER, [])]))
    found = transport.images(ResolveRequest(path, CANCEL))
    assert [one.names for one in found] == [("docker.io/library/box:1", "registry.example/box:2"), ()]
    digests = {check(transport, location, IMAGE) for location in
               (found[0].location, f"{path}:@0", f"{path}:box:1", f"{path}:docker.io/library/box:1", f"{path}:registry.example/box:2")}
    assert len(digests) == 1
    assert (digests == {IMAGE.descriptor.digest}) == (form == "docker with containerd"), "digests are preserved where they can be"
    check(transport, found[1].location, OTHER)
    (named,) = transport.images(ResolveRequest(f"{path}:box:1", CANCEL))
    assert named.names == ("docker.io/library/box:1",)
    for wrong, error in ((path, InvalidInput), (f"{path}:box", NotFound), (f"{path}:@2", NotFound), (f"{path}:UPPER", InvalidInput)):
        with pytest.raises(error):
            transport.resolve(ResolveRequest(wrong, CANCEL))


@pytest.mark.parametrize("form", ["docker before 25", "podman"])
def test_without_a_manifest_of_its_own_one_is_made_always_the_same(tmp_path, transport, form):
    write(str(tmp_path / "a"), members(form, [(IMAGE, [])]))
    descriptor, manifest = resolve(transport, str(tmp_path / "a"))
    assert descriptor.media_type == DOCKER_MANIFEST and {row.media_type for row in manifest.layers} == {DOCKER_LAYER}
    tars = [plain(layer) for layer in parts(IMAGE)[1]]
    assert [row.digest for row in manifest.layers] == [digest_of(tar) for tar in tars]
    wanted = {"schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
              "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(parts(IMAGE)[0]), "digest": IMAGE.image_id},
              "layers": [{"mediaType": DOCKER_LAYER, "size": len(tar), "digest": digest_of(tar)} for tar in tars]}
    assert descriptor.digest == digest_of(json.dumps(wanted, separators=(",", ":")).encode())


def test_skopeo_and_podman_forms(tmp_path, transport):
    images.write_layout(IMAGE, str(tmp_path / "layout"))
    subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", f"oci:{tmp_path}/layout:latest", f"docker-archive:{tmp_path}/a:x/y:1"], check=True)
    check(transport, f"{tmp_path}/a:x/y:1", IMAGE)


def test_compressed_and_packed_layers(tmp_path, transport):
    """An archive as a whole, and its layers, may be compressed; a layer by bzip2 may not."""
    config, layers = parts(IMAGE)
    rows = [{"Config": "c", "Layers": ["a/1", "./a//2", "a/1"]}]
    entries = [images.file("c", config), images.file("a/1", layers[0]), images.file("a/2", layers[1]),
               images.file("manifest.json", json.dumps(rows).encode())]
    (tmp_path / "a").write_bytes(gzip.compress(images.layer(entries, compress=False)))
    check(transport, str(tmp_path / "a"), IMAGE)
    import bz2

    entries[1] = images.file("a/1", bz2.compress(plain(layers[0])))
    write(str(tmp_path / "b"), entries)
    with pytest.raises(InvalidInput, match="bzip2"):
        resolve(transport, str(tmp_path / "b"))


def test_an_index_beside_it_that_is_odd_is_passed_over(tmp_path, transport):
    for odd in (b"{", b"[]", json.dumps({"manifests": [{"mediaType": IMAGE.descriptor.media_type, "digest": "sha256:../../x", "size": 1}]}).encode(),
                json.dumps({"manifests": [{"mediaType": IMAGE.descriptor.media_type, "digest": IMAGE.descriptor.digest, "size": 1}]}).encode()):
        write(str(tmp_path / "a"), [*members("podman", [(IMAGE, [])]), images.file("index.json", odd),
                                    images.file(blob_name(IMAGE.descriptor.digest), b"{}")])
        check(transport, str(tmp_path / "a"), IMAGE)


def test_an_index_in_an_index_is_followed(tmp_path, transport):
    nested = images.index([IMAGE, OTHER])
    entries = members("docker with containerd", [(IMAGE, [])])
    top = {"manifests": [{"mediaType": nested.descriptor.media_type, "digest": nested.descriptor.digest, "size": 1}]}
    write(str(tmp_path / "a"), [*entries, images.file(blob_name(nested.descriptor.digest), nested.blobs[nested.descriptor.digest]),
                                images.file("index.json", json.dumps(top).encode())])
    assert check(transport, str(tmp_path / "a"), IMAGE) == IMAGE.descriptor.digest


def _broken(kind: str) -> list[images.Entry]:
    config, layers = parts(IMAGE)
    row: dict[str, object] = {"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["1", "2", "1"]}
    named = {"c.json": config, "1": plain(layers[0]), "2": plain(layers[1]), "manifest.json": b""}
    rows: object = [row]
    if kind == "no manifest":
        named["other"] = named.pop("manifest.json")
        return [images.file(name, data) for name, data in named.items()]
    if kind == "not a list":
        rows = row
    elif kind == "not objects":
        rows = [[]]
    elif kind == "no config":
        row["Config"] = None
    elif kind == "config missing":
        row["Config"] = "d.json"
    elif kind == "layer missing":
        row["Layers"] = ["1", "3", "1"]
    elif kind == "too few layers":
        row["Layers"] = ["1"]
    elif kind == "absurd layers":
        row["Layers"] = ["1"] * 100_000
    elif kind == "numbers as layers":
        row["Layers"] = [1, 2]
    elif kind == "layers above":
        row["Layers"] = ["../../../etc/passwd", "/etc/passwd", "1"]
    elif kind == "config above":
        row["Config"] = "../c.json"
    elif kind == "too many images":
        rows = [{"Config": "c", "Layers": []}] * 5000
    elif kind == "config is no JSON":
        named["c.json"] = b"\xff\xfe"
    elif kind == "config is huge":
        named["c.json"] = bytes(5 << 20)
    named["manifest.json"] = {"no JSON": b"[", "deep": b"[" * 100_000, "huge": b" " * (5 << 20) + b"[]", "empty": b"",
                              "not UTF-8": b"\xff[]"}.get(kind, json.dumps(rows).encode())
    return [images.file(name, data) for name, data in named.items()]


@pytest.mark.parametrize("kind, error", [
    ("no manifest", InvalidInput), ("not a list", InvalidInput), ("not objects", InvalidInput), ("no config", InvalidInput),
    ("config missing", NotFound), ("layer missing", NotFound), ("too few layers", InvalidInput), ("absurd layers", InvalidInput),
    ("numbers as layers", InvalidInput), ("layers above", NotFound), ("config above", NotFound), ("too many images", InvalidInput),
    ("config is no JSON", InvalidInput), ("config is huge", InvalidInput), ("no JSON", InvalidInput), ("deep", InvalidInput),
    ("huge", InvalidInput), ("empty", InvalidInput), ("not UTF-8", InvalidInput),
])
def test_broken_archives(tmp_path, transport, kind, error):
    write(str(tmp_path / "a"), _broken(kind))
    with pytest.raises(error) as caught:
        resolve(transport, f"{tmp_path}/a:@0")
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 600


def test_no_image_and_no_archive(tmp_path, transport):
    write(str(tmp_path / "a"), [images.file("manifest.json", b"[]")])
    assert transport.images(ResolveRequest(str(tmp_path / "a"), CANCEL)) == ()
    for location, error in ((f"{tmp_path}/a", NotFound), (f"{tmp_path}/none", NotFound), (str(tmp_path), InvalidInput), (":x", InvalidInput)):
        with pytest.raises(error):
            resolve(transport, location)
    images.write_archive(IMAGE, str(tmp_path / "o"))
    with pytest.raises(InvalidInput) as caught:
        resolve(transport, str(tmp_path / "o"))
    assert "oci-archive:" in caught.value.hint


def test_the_last_of_two_members_and_of_two_names_counts(tmp_path, transport):
    entries = members("podman", [(OTHER, ["x:1"]), (IMAGE, ["x:1"])])
    write(str(tmp_path / "a"), [images.file("manifest.json", b"{"), *entries])
    check(transport, f"{tmp_path}/a:x:1", IMAGE)


def test_what_does_not_belong_to_the_image_is_not_handed_out(tmp_path, transport):
    write(str(tmp_path / "a"), members("podman", [(IMAGE, []), (OTHER, [])]))
    with pytest.raises(NotFound):
        read(transport, f"{tmp_path}/a:@0", OTHER.image_id)
    assert digits(OTHER.image_id)


def test_the_declaration():
    declared = plugin.conman_image_transport()
    context: PluginContext[Mapping[str, object]] = PluginContext(
        name="docker-archive", options={}, state_dir="/nonexistent", run_dir="/nonexistent", log=logging.getLogger("test"))
    assert (declared.api, [option.name for option in declared.options], declared.probe(context)) == (API, ["spool_limit"], None)
    declared.open(context).close()
