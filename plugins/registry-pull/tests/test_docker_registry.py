"""The real thing: Debian's docker-registry, filled by skopeo."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import NotFound
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import OpenRequest, PutBlobRequest, ResolveRequest, WriteRequest
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


class Cutter:
    """Stands before a registry, and ends the first connection over which more than so many bytes were sent to it."""

    def __init__(self, host: str, after: int) -> None:
        name, _, port = host.partition(":")
        self._target = (name, int(port))
        self._left: int | None = after
        self._server = socket.create_server(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def has_cut(self) -> bool:
        return self._left is None

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for pair in ((near, far, True), (far, near, False)):
                self._threads.append(threading.Thread(target=self._relay, args=pair))
                self._threads[-1].start()

    def _relay(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
                if counted and self._left is not None:
                    self._left -= len(data)
                    if self._left < 0:
                        self._left = None
                        break
        except OSError:
            pass  # the other direction ended both
        _end(source, sink)

    def close(self) -> None:
        _end(self._server)
        self._threads[0].join()
        _end(*self._sockets)
        for thread in self._threads:
            thread.join()
        for one in (self._server, *self._sockets):
            one.close()


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue  # it has ended


DATA = os.urandom(3_000_000)


def put(transport: RegistryTransport, host: str, name: str, places: tuple[str, ...] = ()) -> str:
    writer = transport.write(WriteRequest(f"{host}/{name}", Cancel(30)))
    blob = Descriptor(images.OCI_LAYER, images.digest_of(DATA), len(DATA))
    return writer.put_blob(PutBlobRequest(blob, lambda offset: iter([DATA[offset:]]), places, lambda count: None, Cancel(30)))


def read(transport: RegistryTransport, host: str, name: str) -> bytes:
    blob = Descriptor(images.OCI_LAYER, images.digest_of(DATA), len(DATA))
    return b"".join(transport.open(OpenRequest(f"{host}/{name}", blob, 0, Cancel(30))))


@pytest.mark.parametrize("chunk", [0, 1_000_000])
def test_push_and_link(real, make_transport, chunk):
    transport = make_transport(upload_chunk=chunk)
    assert put(transport, real.host, f"pushed/first{chunk}") == "written"
    assert read(transport, real.host, f"pushed/first{chunk}") == DATA
    assert put(transport, real.host, f"pushed/first{chunk}") == "exists"
    assert put(transport, real.host, f"pushed/second{chunk}", (f"{real.host}/pushed/first{chunk}",)) == "mounted"
    assert read(transport, real.host, f"pushed/second{chunk}") == DATA


@pytest.mark.parametrize("after", [500_000, 1_700_000, 2_990_000])
def test_a_push_that_is_cut_arrives_all_the_same(real, make_transport, after):
    cutter = Cutter(real.host, after)
    try:
        transport = make_transport(upload_chunk=1_000_000)
        assert put(transport, cutter.host, f"cut/at{after}") == "written"
        assert cutter.has_cut
        assert read(transport, real.host, f"cut/at{after}") == DATA
        transport.close()
    finally:
        cutter.close()


def test_listing(real, transport: RegistryTransport):
    put(transport, real.host, "listed/box")
    assert "listed/box" in list(transport.repositories(ResolveRequest(real.host, Cancel(30))))
    with pytest.raises(NotFound):
        list(transport.tags(ResolveRequest(f"{real.host}/no/such", Cancel(30))))
