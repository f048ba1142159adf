"""Transports that break one promise of reading each, and the kit's tests that must see it. Run by test_broken.py; not collected by
itself."""

from __future__ import annotations

import os
import threading

from conman_kernel.errors import Cancelled, InvalidInput, NotFound
from conman_kernel.slots.transport import Resolved
from conman_kernel.testing.kits import TransportContract

from .memory_transport import PIECE, MemoryStream, MemoryTransport, contract, streaming

KIT = TransportContract


class ResolvesToALayer(MemoryTransport):
    """What it finds is no manifest."""

    def resolve(self, request):
        found = super().resolve(request)
        return Resolved(found.descriptor._replace(media_type="application/octet-stream"), found.content)


class OtherContent(MemoryTransport):
    """What it says that the manifest is, is another."""

    def resolve(self, request):
        found = super().resolve(request)
        return found._replace(content=found.content + b"\n")


class OneWrongByte(MemoryTransport):
    """The last one of each blob."""

    def blob(self, request):
        data = super().blob(request)
        return data if request.descriptor.digest in (self.place(request.location)[0].digest,) else data[:-1] + b"?"


class TheLastOne(MemoryTransport):
    """Every place holds what was put last."""

    def place(self, location):
        super().place(location)
        return list(self.places.values())[-1]


class BelievesKnown(MemoryTransport):
    """What was known before is still so."""

    def resolve(self, request):
        found = super().resolve(request)
        return found._replace(descriptor=found.descriptor._replace(digest=request.known or found.descriptor.digest))


class Whole(MemoryTransport):
    """A blob is one chunk."""

    class _stream(MemoryStream):
        def __iter__(self):
            yield self.data[self.offset:]

    open = streaming(_stream)


class EmptyChunks(MemoryTransport):
    """A chunk of nothing comes first."""

    class _stream(MemoryStream):
        def __iter__(self):
            yield b""
            yield from super().__iter__()

    open = streaming(_stream)


class FromTheStart(MemoryTransport):
    """It says that it begins where it was asked to."""

    class _stream(MemoryStream):
        def __iter__(self):
            return iter(self.data[at:at + PIECE] for at in range(0, len(self.data), PIECE))

    open = streaming(_stream)


class RaisesKeyError(MemoryTransport):
    """What is not there is an error of Python's."""

    def place(self, location):
        try:
            return super().place(location)
        except NotFound:
            raise KeyError(location) from None


class RepeatsWhatWasTyped(MemoryTransport):
    """Whatever it was."""

    def refuse(self, location):
        return InvalidInput(f"{location} is no name")


class ClosesOnce(MemoryTransport):
    """A stream's second ``close`` is an error."""

    class _stream(MemoryStream):
        closed = False

        def close(self):
            if self.closed:
                raise ValueError("it is closed")
            self.closed = True

    open = streaming(_stream)


class Leaks(MemoryTransport):
    """A descriptor stays open for each object."""

    def close(self):
        os.open("/dev/null", os.O_RDONLY)


class OneStream(MemoryTransport):
    """One at a time: the next one's bytes are the former one's, too."""

    class _stream(MemoryStream):
        changed = threading.Condition()
        begun = 0
        latest = b""

        def __iter__(self):
            kind = type(self)
            with self.changed:
                kind.begun, kind.latest = mine, _ = kind.begun + 1, self.data
                self.changed.notify_all()
                self.changed.wait_for(lambda: kind.begun != mine, 0.02)
            yield from (kind.latest[at:at + PIECE] for at in range(self.offset, len(kind.latest), PIECE))

    open = streaming(_stream)


class DeafToTokens(MemoryTransport):
    """It goes on for seconds, whatever the token says."""

    def resolve(self, request):
        threading.Event().wait(2.2 if request.cancel.cancelled else 0)
        return super().resolve(request._replace(cancel=type(request.cancel)()))


class StopsInSilence(MemoryTransport):
    """A stream whose token fires has ended."""

    class _stream(MemoryStream):
        def __iter__(self):
            try:
                yield from super().__iter__()
            except Cancelled:
                return

    open = streaming(_stream)


class Prints(MemoryTransport):
    """It tells what it does."""

    def resolve(self, request):
        os.write(1, b"resolving\n")
        return super().resolve(request)


TABLE: dict[type[MemoryTransport], tuple[str, ...]] = {
    MemoryTransport: (),
    ResolvesToALayer: ("test_resolve_finds_a_manifest",),
    OtherContent: ("test_resolve_finds_a_manifest",),
    OneWrongByte: ("test_the_image_is_whole",),
    TheLastOne: ("test_the_image_is_whole",),
    BelievesKnown: ("test_the_same_is_found_again",),
    Whole: ("test_chunks_are_small_and_never_empty",),
    EmptyChunks: ("test_chunks_are_small_and_never_empty",),
    FromTheStart: ("test_reading_goes_on_from_an_offset[second]", "test_reading_goes_on_from_an_offset[middle]",
                   "test_reading_goes_on_from_an_offset[last]"),
    RaisesKeyError: ("test_what_is_not_there_is_not_found", "test_a_place_that_is_not_there_is_not_found"),
    RepeatsWhatWasTyped: ("test_malformed_locations_are_one_line",),
    ClosesOnce: ("test_a_stream_is_closed_at_any_time",),
    Leaks: ("test_close_gives_everything_back_and_may_be_called_twice",),
    OneStream: ("test_threads_read_at_once",),
    DeafToTokens: ("test_a_token_that_has_fired_ends_the_call[cancelled]",),
    StopsInSilence: ("test_a_token_that_fires_while_a_stream_is_read",),
    Prints: ("test_it_prints_nothing",),
}
"""A broken transport, and the tests that must fail on it; none: the whole kit passes."""

NOT_SHOWN = ()
"""Tests of the kit for which no broken transport is here yet."""


for one in TABLE:
    globals()[f"Test{one.__name__}"] = contract(one)
