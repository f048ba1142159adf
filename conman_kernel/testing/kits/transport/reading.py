"""Resolve, open, close."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ....cancel import Cancel
from ....errors import Cancelled, ConmanError, DeadlineExceeded, InvalidInput, NotFound, Unavailable
from ....oci.descriptor import Descriptor
from ....oci.media_types import is_manifest_or_index
from ....slots.transport import OpenRequest, ResolveRequest
from ..compared import difference
from .bench import IMAGE, OTHER, PATIENCE, Source, Stock, facts

MOST_CHUNK = 2 << 20
MOST_SECONDS = 2.0
NONE = Descriptor("application/vnd.oci.image.layer.v1.tar", "sha256:" + "0" * 64, 100)


class Reading:
    """Every transport."""

    def test_resolve_finds_a_manifest(self, source: Source) -> None:
        """``resolve``: "what a reference points at now": a manifest or index, by digest; ``size`` is right or -1, and
        ``content``, where there is any, is the manifest's own bytes. The kernel asks for nothing that it was told here."""
        found = source.transport.resolve(ResolveRequest(source.location, Cancel(PATIENCE)))
        assert is_manifest_or_index(found.descriptor.media_type)
        _, data = source.read(found.descriptor)
        assert found.descriptor.size in (-1, len(data)) and found.content in (None, data)
        source.document(found.descriptor)

    def test_the_image_is_whole(self, source: Source, stock: Stock) -> None:
        """Manifest, configuration and every layer can be opened, and their bytes are what their descriptors say: the kernel
        verifies each, and refuses an image with one wrong byte. Another image at another location is another."""
        assert source.facts() == facts(source.held(IMAGE))
        assert source.facts(stock(OTHER)) == facts(source.held(OTHER))
        assert source.facts() == facts(source.held(IMAGE))

    def test_the_same_is_found_again(self, source: Source) -> None:
        """``resolve`` twice, and by another object of the plugin, gives one digest: it is what an image is known by; with
        ``known``, too, "where that still holds"."""
        digest = source.descriptor().digest
        again = source.provider.open(source.context)
        for transport in (source.transport, again):
            for known in ("", digest, "sha256:" + "1" * 64):
                assert transport.resolve(ResolveRequest(source.location, Cancel(PATIENCE), known)).descriptor.digest == digest
        again.close()

    def test_chunks_are_small_and_never_empty(self, source: Source) -> None:
        """``BlobStream``: "chunks in order, each 1 byte to about 1 MiB": a layer of any size passes through a bounded memory."""
        _, _, layers = source.documents()
        for wanted in layers:
            stream = source.transport.open(OpenRequest(source.location, wanted, 0, Cancel(PATIENCE)))
            sizes = [len(chunk) for chunk in stream]
            stream.close()
            assert sum(sizes) == wanted.size and min(sizes) >= 1 and max(sizes) <= MOST_CHUNK

    @pytest.mark.parametrize("where", ["second", "middle", "last"])
    def test_reading_goes_on_from_an_offset(self, source: Source, where: str) -> None:
        """``open`` with an offset: the stream says where it "really begins: the offset asked for, or 0", and its bytes are those
        from there on. A download that broke goes on."""
        _, _, layers = source.documents()
        _, whole = source.read(layers[0])
        offset = {"second": 1, "middle": len(whole) // 2, "last": len(whole) - 1}[where]
        began, data = source.read(layers[0], offset)
        assert began in (0, offset) and difference(data, whole[began:]) == ""

    def test_what_is_not_there_is_not_found(self, source: Source) -> None:
        """NotFound for "no such repository, tag, digest, file": at a location where nothing is, and for a blob that the image
        does not have, "here or while the stream is read"."""
        with pytest.raises(NotFound):
            source.descriptor(source.location + "-absent")
        source.descriptor()
        with pytest.raises(NotFound):
            source.read(NONE)

    @pytest.mark.parametrize("location", ["", " ", "\0", "/", "//", ":", "a\nb", "../../../../etc/shadow", "x" * 5000, "-", "é:é",
                                          "/proc/self/mem", "/dev/zero"])
    def test_malformed_locations_are_one_line(self, source: Source, location: str) -> None:
        """Whatever a person types: InvalidInput, NotFound or Unavailable, in one line that a terminal can show; never a hang,
        never what the file happens to hold."""
        started = time.monotonic()
        with pytest.raises((InvalidInput, NotFound, Unavailable)) as caught:
            source.descriptor(location, Cancel(20))
        assert len(str(caught.value).splitlines()) == 1 and str(caught.value).isprintable(), repr(str(caught.value))
        assert time.monotonic() - started < 20

    def test_a_stream_is_closed_at_any_time(self, source: Source) -> None:
        """``BlobStream.close``: "may be called twice, and before the end"; and after it."""
        _, config, layers = source.documents()
        for wanted in (config, *layers):
            untouched = source.transport.open(OpenRequest(source.location, wanted, 0, Cancel(PATIENCE)))
            begun = source.transport.open(OpenRequest(source.location, wanted, 0, Cancel(PATIENCE)))
            assert next(iter(begun))
            ended = source.transport.open(OpenRequest(source.location, wanted, 0, Cancel(PATIENCE)))
            assert sum(map(len, ended)) == wanted.size
            for stream in (untouched, begun, ended):
                stream.close()
                stream.close()
        assert source.facts() == facts(source.held(IMAGE))

    def test_close_gives_everything_back_and_may_be_called_twice(self, source: Source) -> None:
        """``close``: "give connections and descriptors back. May be called twice". Also of streams that somebody dropped half
        read."""
        import gc

        def use() -> None:
            other = Source(source.provider, source.context, source.location)
            other.facts()
            stream = other.transport.open(OpenRequest(source.location, other.documents()[2][0], 0, Cancel(PATIENCE)))
            next(iter(stream))
            stream.close()
            other.transport.close()
            other.transport.close()

        use()
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            use()
        gc.collect()  # errors of HTTP libraries are cycles
        assert len(os.listdir("/proc/self/fd")) <= before + 1, "descriptors are left open"

    def test_threads_read_at_once(self, source: Source) -> None:
        """"Methods may be called from several threads at once": layers are fetched side by side, with one object."""
        top, config, layers = source.documents()
        wanted = [top, config, *layers] * 3
        alone = [source.read(one)[1] for one in wanted]
        with ThreadPoolExecutor(len(wanted)) as pool:
            beside = list(pool.map(lambda one: source.read(one)[1], wanted))
        assert [difference(got, data) for got, data in zip(beside, alone)] == [""] * len(wanted)

    @pytest.mark.parametrize("fired", ["cancelled", "deadline"])
    def test_a_token_that_has_fired_ends_the_call(self, source: Source, fired: str) -> None:
        """A token that has fired: the call is done at once, or raises Cancelled (DeadlineExceeded), within two seconds.
        Ctrl-C."""
        cancel = Cancel(0.0 if fired == "deadline" else None)
        stopped: type[ConmanError] = DeadlineExceeded
        if fired == "cancelled":
            cancel.cancel()
            stopped = Cancelled
        _, _, layers = source.documents()
        for call in (lambda: source.descriptor(cancel=cancel), lambda: source.read(layers[0], cancel=cancel)):
            started = time.monotonic()
            try:
                call()
            except stopped:
                assert time.monotonic() - started < MOST_SECONDS
            assert time.monotonic() - started < MOST_SECONDS
        assert source.facts() == facts(source.held(IMAGE))

    def test_a_token_that_fires_while_a_stream_is_read(self, source: Source) -> None:
        """``OpenRequest.cancel`` "also holds while the returned iterator is read": the stream ends with Cancelled, or it is
        whole; it never just stops."""
        _, _, layers = source.documents()
        cancel = Cancel()
        stream = source.transport.open(OpenRequest(source.location, layers[0], 0, cancel))
        got = 0
        try:
            for chunk in stream:
                got += len(chunk)
                cancel.cancel()
        except Cancelled:
            assert got < layers[0].size
        else:
            assert got == layers[0].size, "the stream stopped in silence"
        finally:
            stream.close()

    def test_it_prints_nothing(self, source: Source, capfd: pytest.CaptureFixture[str]) -> None:
        """"Report to ``context.log``; never print": what a command prints may be parsed."""
        source.facts()
        with pytest.raises(NotFound):
            source.descriptor(source.location + "-absent")
        assert capfd.readouterr() == ("", "")
