"""The real thing: Debian's docker-registry, filled by skopeo."""

from __future__ import annotations

import os

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import OpenRequest, ResolveRequest
from conman_kernel.testing import docker_registry, images
from conman_registry_pull.transport import RegistryTransport


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    if reason := docker_registry.missing():
        pytest.skip(reason)
    with docker_registry.DockerRegistry(tmp_path_factory.mktemp("docker-registry")) as registry:
        yield registry


def test_pull(real, tmp_path, transport: RegistryTransport):
    layers = [images.layer([images.file(f"f{n}", os.urandom(2_000_000))]) for n in range(3)]
    made = images.index([images.image(layers)])
    images.write_layout(made, str(tmp_path / "layout"), tag="v1")
    real.push(tmp_path / "layout", "v1", "some/box:v1")
    location = f"{real.host}/some/box:v1"
    found = transport.resolve(ResolveRequest(location, Cancel(30)))
    assert found.descriptor == made.descriptor
    for digest, data in made.blobs.items():
        kind = made.media_types.get(digest, images.OCI_LAYER)
        body = transport.open(OpenRequest(location, Descriptor(kind, digest, len(data)), 0, Cancel(30)))
        assert b"".join(body) == data
    digest = images.digest_of(layers[0])
    half = transport.open(OpenRequest(location, Descriptor(images.OCI_LAYER, digest, -1), 1_000_000, Cancel(30)))
    assert (half.offset, b"".join(half)) == (1_000_000, layers[0][1_000_000:])


def test_its_words_for_what_is_not_there(real, transport: RegistryTransport):
    for name in ("nothing/here:latest", f"nothing/here@{images.digest_of(b'')}"):
        with pytest.raises(NotFound, match=r"MANIFEST_UNKNOWN.*no such repository or tag"):
            transport.resolve(ResolveRequest(f"{real.host}/{name}", Cancel(30)))
