"""What the transport kit works with: images at a place that the author stocks, and a transport that reads them."""

from __future__ import annotations

import hashlib
import json
import logging
import zlib
from pathlib import Path
from typing import Callable, Iterator, Mapping

import pytest

from ....cancel import Cancel
from ....oci.descriptor import Descriptor
from ....slots.provider import PluginContext, Provider
from ....slots.transport import ImageTransport, OpenRequest, PutBlobRequest, PutManifestRequest, ResolveRequest, WritableTransport
from ...images import Image, directory, file, image, layer, symlink, whiteout
from ..outcomes import unavailable
from ..scratch import ScratchBench

PATIENCE = 60.0
"""Seconds that any one call may take."""

_BIG = hashlib.shake_256(b"kit").digest(3_000_000)

IMAGE = image([
    layer([directory("etc"), file("etc/os-release", b"ID=kit\n"), file("big", _BIG), symlink("here", "etc")], compress=False),
    layer([whiteout("here"), file("later", b"2")], compress=False),
], config={"Cmd": ["cat", "/later"], "Env": ["KIT=1"]})
"""An image of two layers, one of 3 MB, neither compressed: some places hold no others."""

OTHER = image([layer([file("other", b"other")], compress=False)], config={"Cmd": ["true"]})

Stock = Callable[[Image], str]
"""Puts an image somewhere and returns its location."""


def facts(made: Image) -> tuple[object, list[str]]:
    """What an image is wherever it lies: its configuration's ``config``, and the digests of its layers' archives."""
    config = json.loads(made.blobs[made.image_id])
    return config["config"], list(config["rootfs"]["diff_ids"])


class Source:
    """A transport, and the calls that the kernel makes.

    :ivar transport: it. ``location``: where :data:`IMAGE` lies.
    """

    def __init__(self, provider: Provider[ImageTransport], context: PluginContext[Mapping[str, object]], location: str,
                 held: Callable[[Image], Image] = lambda made: made) -> None:
        self.held = held
        self.provider = provider
        self.context = context
        self.location = location
        self.transport = provider.open(context)

    def descriptor(self, location: str | None = None, cancel: Cancel | None = None) -> Descriptor:
        """What a location resolves to."""
        request = ResolveRequest(self.location if location is None else location, cancel or Cancel(PATIENCE))
        return self.transport.resolve(request).descriptor

    def read(self, wanted: Descriptor, offset: int = 0, *, location: str | None = None,
             cancel: Cancel | None = None) -> tuple[int, bytes]:
        """Where a stream begins, and all that it gives."""
        place = self.location if location is None else location
        stream = self.transport.open(OpenRequest(place, wanted, offset, cancel or Cancel(PATIENCE)))
        try:
            return stream.offset, b"".join(stream)
        finally:
            stream.close()

    def documents(self, location: str | None = None) -> tuple[Descriptor, Descriptor, list[Descriptor]]:
        """The manifest's descriptor, the configuration's, those of the layers; every document verified as the kernel does."""
        top = self.descriptor(location)
        manifest = self.document(top, location)
        config = _descriptor(manifest["config"])
        layers = manifest["layers"]
        assert isinstance(layers, list)
        return top, config, [_descriptor(row) for row in layers]

    def document(self, wanted: Descriptor, location: str | None = None) -> dict[str, object]:
        """A document, verified and parsed."""
        _, data = self.read(wanted, location=location)
        assert "sha256:" + hashlib.sha256(data).hexdigest() == wanted.digest, f"the bytes of {wanted.digest} are others"
        assert wanted.size in (-1, len(data))
        parsed: dict[str, object] = json.loads(data)
        return parsed

    def facts(self, location: str | None = None) -> tuple[object, list[str]]:
        """As :func:`facts`, but of what the transport gives; the layers' bytes are read and verified."""
        _, config, layers = self.documents(location)
        document = self.document(config, location)
        ids = []
        for wanted in layers:
            _, data = self.read(wanted, location=location)
            assert "sha256:" + hashlib.sha256(data).hexdigest() == wanted.digest and len(data) == wanted.size
            plain = zlib.decompress(data, wbits=31) if data[:2] == b"\x1f\x8b" else data
            ids.append("sha256:" + hashlib.sha256(plain).hexdigest())
        rootfs = document["rootfs"]
        assert isinstance(rootfs, dict) and rootfs["diff_ids"] == ids
        return document["config"], ids

    def write(self, location: str, made: Image, *, names: tuple[str, ...] = ()) -> None:
        """Write an image as the kernel does."""
        from ....slots.transport import WriteRequest

        writer = writable(self.transport).write(WriteRequest(location, Cancel(PATIENCE)))
        try:
            for digest, data in made.blobs.items():
                if digest not in made.media_types:
                    writer.put_blob(put_blob(made, digest, data))
            writer.put_manifest(put_manifest(made, names))
            writer.commit(Cancel(PATIENCE))
        finally:
            writer.close()


def _descriptor(row: object) -> Descriptor:
    assert isinstance(row, dict)
    return Descriptor(row["mediaType"], row["digest"], row["size"])


def put_blob(made: Image, digest: str, data: bytes, *, cancel: Cancel | None = None,
             progress: Callable[[int], None] = lambda count: None) -> PutBlobRequest:
    """The request for one of an image's blobs."""
    manifest = json.loads(made.blobs[made.descriptor.digest])
    row = next(row for row in [manifest["config"], *manifest["layers"]] if row["digest"] == digest)
    return PutBlobRequest(_descriptor(row), lambda offset: iter([data[offset:]] if data[offset:] else []), (), progress,
                          cancel or Cancel(PATIENCE))


def put_manifest(made: Image, names: tuple[str, ...] = ()) -> PutManifestRequest:
    """The request for an image's manifest."""
    return PutManifestRequest(made.descriptor, made.blobs[made.descriptor.digest], names, True, Cancel(PATIENCE))


def writable(transport: ImageTransport) -> WritableTransport:
    """The same, if it can be written to; else the test is skipped as not offered."""
    from ..outcomes import not_offered

    if not hasattr(transport, "write"):
        not_offered("writing")
    return transport  # type: ignore[return-value]


class TransportBench(ScratchBench):
    """The fixtures. An author overrides ``provider`` and ``stock``, and the others where they need to."""

    @pytest.fixture
    def provider(self) -> Provider[ImageTransport]:
        """What the plugin's hook ``conman_image_transport`` returns. To be overridden."""
        raise NotImplementedError("override the fixture `provider`: return what your conman_image_transport() returns")

    @pytest.fixture
    def stock(self, scratch: Path) -> Stock:
        """Puts an image where the transport can find it, and returns its location (the reference without its scheme); each call
        another one. To be overridden."""
        raise NotImplementedError("override the fixture `stock`: return a function from an image to the location where it put it")

    @pytest.fixture
    def held(self) -> Callable[[Image], Image]:
        """What becomes of an image where it is stocked: itself; another for places that hold less, such as one layer."""
        return lambda made: made

    @pytest.fixture
    def fresh(self, scratch: Path) -> Callable[[], str]:
        """Makes locations that images can be written to and where nothing is yet."""
        numbers = iter(range(1000))
        (scratch / "fresh").mkdir()
        return lambda: f"{scratch}/fresh/{next(numbers)}"

    @pytest.fixture
    def source(self, provider: Provider[ImageTransport], options: Mapping[str, object], stock: Stock,
               held: Callable[[Image], Image], scratch: Path) -> Iterator[Source]:
        """The transport, and :data:`IMAGE` at its location."""
        context: PluginContext[Mapping[str, object]] = PluginContext(
            name="kit", options={**options}, state_dir=f"{scratch}/plugin-state", run_dir=f"{scratch}/plugin-run",
            log=logging.getLogger("conman-kit"))
        no = provider.probe(context)
        if no is not None:
            unavailable(no.reason, no.hint)
        made = Source(provider, context, stock(IMAGE), held)
        yield made
        made.transport.close()
