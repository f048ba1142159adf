"""Resolving and opening, from an honest registry."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.oci.platform import Platform
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Fault, Registry
from conman_kernel.testing.registry_http import Server
from conman_registry_pull.transport import RegistryTransport

DATA = bytes(range(256)) * 4096
BLOB = "application/vnd.oci.image.layer.v1.tar+gzip"


def resolve(transport: RegistryTransport, location: str):
    return transport.resolve(ResolveRequest(location, Cancel(20)))


def stream(transport: RegistryTransport, location: str, digest: str, offset: int = 0, media_type: str = BLOB):
    return transport.open(OpenRequest(location, Descriptor(media_type, digest, -1), offset, Cancel(20)))


@pytest.mark.parametrize("docker", [False, True])
def test_a_tag_resolves_to_its_manifest_and_every_part_can_be_opened(registry, transport, docker):
    made = images.image([images.layer([images.file("a", b"1")]), images.layer([images.file("b", DATA)])], docker=docker)
    registry.add_image(made, "some/box:v1")
    location = f"{registry.host}/some/box:v1"
    found = resolve(transport, location)
    assert found.descriptor == made.descriptor._replace(platform=None)
    assert found.content == made.blobs[made.descriptor.digest]
    for digest, data in made.blobs.items():
        kind = made.media_types.get(digest, BLOB)
        assert b"".join(stream(transport, location, digest, media_type=kind)) == data
    assert registry.count("GET", "/manifests/") == 2  # the tag, and then by digest


def test_an_index_is_handed_over_as_it_is(registry, transport):
    parts = [images.image([], platform=Platform("linux", arch)) for arch in ("amd64", "arm64")]
    made = images.index(parts)
    registry.add_image(made, "box:latest")
    assert resolve(transport, f"{registry.host}/box:latest").descriptor == made.descriptor
    accept = registry.requests[-1].headers["accept"]
    assert all(kind in accept for kind in (images.OCI_INDEX, images.OCI_MANIFEST, images.DOCKER_LIST,
                                           images.DOCKER_MANIFEST))


def test_a_digest_resolves_to_itself_also_beside_a_tag(registry, transport):
    made = images.image([])
    digest = registry.add_image(made, "box")
    registry.add_image(images.image([], config={"User": "x"}), "box:moved")
    for name in (f"box@{digest}", f"box:moved@{digest}"):
        assert resolve(transport, f"{registry.host}/{name}").descriptor.digest == digest


def test_the_digest_that_the_registry_claims_is_reported_and_the_kernel_will_notice(registry, transport):
    registry.add_image(images.image([]), "box:latest")
    claimed = images.digest_of(b"something else")
    registry.fail(Fault(Action.DIGEST, on="/manifests/", value=claimed, times=1))
    assert resolve(transport, f"{registry.host}/box:latest").descriptor.digest == claimed
    registry.fail(Fault(Action.DIGEST, on="/manifests/", value="sha256:../../etc/passwd"))
    found = resolve(transport, f"{registry.host}/box:latest")
    assert found.descriptor.digest == images.digest_of(found.content)


def test_a_media_type_is_reported_without_its_parameters(registry, transport):
    registry.add_image(images.image([]), "box:latest")
    registry.fail(Fault(Action.MEDIA_TYPE, on="/manifests/", value="Text/HTML; charset=utf-8"))
    assert resolve(transport, f"{registry.host}/box:latest").descriptor.media_type == "text/html"


@pytest.mark.parametrize(("offset", "begins"), [(0, 0), (1, 1), (700_000, 700_000), (len(DATA), 0), (len(DATA) + 5, 0)])
def test_an_offset_is_where_the_stream_begins_if_there_is_anything(registry, transport, offset, begins):
    digest = registry.add_blob(DATA, "box")
    found = stream(transport, f"{registry.host}/box", digest, offset)
    assert found.offset == begins
    assert b"".join(found) == DATA[begins:]


def test_a_registry_without_ranges_begins_at_0(registry, transport):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(Action.NO_RANGE))
    found = stream(transport, f"{registry.host}/box", digest, 1000)
    assert (found.offset, b"".join(found)) == (0, DATA)


@pytest.mark.parametrize("action", [Action.CHUNKED, Action.NO_LENGTH])
def test_a_body_without_announced_length(registry, transport, action):
    digest = registry.add_blob(DATA, "box")
    registry.fail(Fault(action, on="/blobs/"))
    assert b"".join(stream(transport, f"{registry.host}/box", digest)) == DATA


def test_chunks_are_neither_empty_nor_large(registry, transport):
    digest = registry.add_blob(DATA * 3, "box")
    sizes = [len(chunk) for chunk in stream(transport, f"{registry.host}/box", digest)]
    assert sum(sizes) == 3 * len(DATA)
    assert min(sizes) > 0
    assert max(sizes) <= 1 << 20


def test_layers_in_parallel_over_few_connections(registry: Registry, make_transport):
    transport = make_transport()
    blobs = {registry.add_blob(bytes([n]) * 2_000_000, "box"): n for n in range(12)}

    def fetch(digest: str) -> str:
        hasher = hashlib.sha256()
        for chunk in stream(transport, f"{registry.host}/box", digest):
            hasher.update(chunk)
        return "sha256:" + hasher.hexdigest()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(fetch, blobs)) == list(blobs)


def test_one_connection_serves_request_after_request(registry, transport, monkeypatch):
    digests = [registry.add_blob(bytes([n]) * 600_000, "box") for n in range(5)]
    accepted = []
    accept = Server.get_request

    def counted(server):
        accepted.append(server)
        return accept(server)

    monkeypatch.setattr(Server, "get_request", counted)
    for digest in (digests[0], *digests, images.digest_of(b"not there"), *digests):
        try:
            assert len(b"".join(stream(transport, f"{registry.host}/box", digest))) == 600_000
        except NotFound:
            continue
    assert len(accepted) == 2  # the one that tried TLS, and the one that served all


def test_a_stream_closed_early_leaves_the_transport_usable(registry, transport):
    digest = registry.add_blob(DATA * 40, "box")
    first = stream(transport, f"{registry.host}/box", digest)
    next(iter(first))
    first.close()
    first.close()
    assert len(b"".join(stream(transport, f"{registry.host}/box", digest))) == 40 * len(DATA)


def test_what_is_not_there(registry, transport):
    registry.add_image(images.image([]), "box:latest")
    for location, code in ((f"{registry.host}/nothing:latest", "NAME_UNKNOWN"),
                           (f"{registry.host}/box:other", "MANIFEST_UNKNOWN")):
        with pytest.raises(NotFound) as caught:
            resolve(transport, location)
        assert code in caught.value.message
        assert "no such repository or tag" in caught.value.message
    with pytest.raises(NotFound, match="BLOB_UNKNOWN"):
        stream(transport, f"{registry.host}/box", images.digest_of(b""))


@pytest.mark.parametrize("location", ["", "box", "UPPER/x y", "host:5000/box@sha256:12", "127.0.0.1:1/../x:latest"])
def test_a_malformed_location_asks_nobody(transport, location):
    with pytest.raises(InvalidInput):
        resolve(transport, location)


def test_a_manifest_larger_than_manifests_may_be(registry, transport):
    registry.add_image(images.image([]), "box:latest")
    registry.fail(Fault(Action.BODY, on="/manifests/", value=" " * (4 * 1024 * 1024 + 1)))
    with pytest.raises(InvalidInput, match="more than 4194304 bytes"):
        resolve(transport, f"{registry.host}/box:latest")
