"""Transports that break one promise of writing or of telling what there is, and the kit's tests that must see it. Run by
test_broken.py; not collected by itself."""

from __future__ import annotations

import threading
from contextlib import suppress

from conman_kernel.errors import Cancelled, DigestMismatch
from conman_kernel.testing.kits import TransportContract

from .memory_transport import MemoryTransport, MemoryWriter, contract, writing

KIT = TransportContract


class WritesNothing(MemoryTransport):
    """A commit is one in name only."""

    class _writer(MemoryWriter):
        def commit(self, cancel):
            return

    write = writing(_writer)


class MangledLayers(MemoryTransport):
    """What is written, has one byte more."""

    class _writer(MemoryWriter):
        def put_blob(self, request):
            answer = super().put_blob(request)
            self.blobs[request.descriptor.digest] += b"\0"
            return answer

    write = writing(_writer)


class SaysNothing(MemoryTransport):
    """Whether layers have to be plain is found out later."""

    class _writer(MemoryWriter):
        plain_layers = None

    write = writing(_writer)


class NoProgress(MemoryTransport):
    """Bytes were sent, and none was told of."""

    class _writer(MemoryWriter):
        def put_blob(self, request):
            return super().put_blob(request._replace(progress=lambda count: None))

    write = writing(_writer)


class OneBuffer(MemoryTransport):
    """Blobs that come at once are mixed."""

    class _writer(MemoryWriter):
        def __init__(self, transport, location):
            super().__init__(transport, location)
            self.meeting = threading.Barrier(3)

        def meet(self):
            with suppress(threading.BrokenBarrierError):  # who comes alone harms nobody
                self.meeting.wait(1.0)

        def put_blob(self, request):
            self.buffer = b""
            self.meet()
            self.buffer += b"".join(request.open(0))
            self.meet()
            self.blobs[request.descriptor.digest] = self.buffer
            request.progress(len(self.buffer))
            return "written"

    write = writing(_writer)


class VisibleAtOnce(MemoryTransport):
    """A place is there before anything was committed."""

    class _writer(MemoryWriter):
        def put_blob(self, request):
            self.transport.places[self.location] = next(iter(self.transport.places.values()))
            return super().put_blob(request)

    write = writing(_writer)


class LeavesAFile(MemoryTransport):
    """What was not committed lies about."""

    class _writer(MemoryWriter):
        def put_blob(self, request):
            open(f"{self.transport.scratch}/half", "w").close()
            return super().put_blob(request)

    write = writing(_writer)


class BelievesLiars(MemoryTransport):
    """What a source lied about is taken for the blob."""

    class _writer(MemoryWriter):
        def put_blob(self, request):
            try:
                return super().put_blob(request)
            except DigestMismatch:
                return "exists"

    write = writing(_writer)


class WritesOn(MemoryTransport):
    """Cancelled is done."""

    class _writer(MemoryWriter):
        def put_blob(self, request):
            try:
                return super().put_blob(request)
            except Cancelled:
                return "exists"

    write = writing(_writer)


class KeepsTheOld(MemoryTransport):
    """What is there stays, and nobody is told."""

    class _writer(MemoryWriter):
        def commit(self, cancel):
            self.transport.places.setdefault(self.location, (self.top, self.blobs))

    write = writing(_writer)


class HalfOfEach(MemoryTransport):
    """The new name, for the old blobs."""

    class _writer(MemoryWriter):
        def commit(self, cancel):
            _, before = self.transport.places.get(self.location, (self.top, self.blobs))
            self.transport.places[self.location] = (self.top, before)

    write = writing(_writer)


class TellsOfNone(MemoryTransport):
    """Every place is empty, also where there is none."""

    def images(self, request):
        return ()


class TellsTwice(MemoryTransport):
    """An image is told by each of its names."""

    def images(self, request):
        return super().images(request) * 2


class NoTags(MemoryTransport):
    """A repository has none."""

    def tags(self, request):
        return iter(())


class AnyTags(MemoryTransport):
    """A repository that is not there has tags, too."""

    def tags(self, request):
        return (location.rpartition(":")[2] for location in self.places)


class WholeNames(MemoryTransport):
    """A repository's name begins with the registry's."""

    def repositories(self, request):
        return (f"{request.location}/{name}" for name in super().repositories(request))


class EmptyAccounts(MemoryTransport):
    """Nobody is somebody without a name."""

    def account(self, registry):
        return ""


class AlwaysLoggedOut(MemoryTransport):
    """What was never kept was forgotten."""

    def logout(self, registry):
        return True


_UNCOMMITTED = ("test_what_is_not_committed_is_not_there", "test_a_source_that_lies_is_told", "test_a_token_that_fires_ends_the_writing")

TABLE: dict[type[MemoryTransport], tuple[str, ...]] = {
    WritesNothing: ("test_what_is_written_can_be_read", "test_a_blob_is_put_once"),
    MangledLayers: ("test_what_is_written_can_be_read", "test_a_blob_is_put_once"),
    SaysNothing: ("test_the_writer_says_what_it_can_hold",),
    NoProgress: ("test_a_blob_is_put_once",),
    OneBuffer: ("test_blobs_come_from_threads",),
    VisibleAtOnce: _UNCOMMITTED,
    LeavesAFile: _UNCOMMITTED[:1],
    BelievesLiars: _UNCOMMITTED[1:2],
    WritesOn: _UNCOMMITTED[2:],
    KeepsTheOld: ("test_what_is_there_is_kept_or_replaced_whole",),
    HalfOfEach: ("test_what_is_there_is_kept_or_replaced_whole",),
    TellsOfNone: ("test_a_place_tells_its_images", "test_a_place_that_is_not_there_is_not_found"),
    TellsTwice: ("test_one_image_is_told_alone",),
    NoTags: ("test_tags_are_told",),
    AnyTags: ("test_tags_are_told",),
    WholeNames: ("test_repositories_are_told",),
    EmptyAccounts: ("test_accounts_that_are_not_there",),
    AlwaysLoggedOut: ("test_accounts_that_are_not_there",),
}
"""A broken transport, and the tests that must fail on it."""

NOT_SHOWN = ()
"""Tests of the kit for which no broken transport is here yet."""


for one in TABLE:
    globals()[f"Test{one.__name__}"] = contract(one)
