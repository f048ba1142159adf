"""A transport in memory that keeps every promise, and the kit on one that is made of it."""

from __future__ import annotations

import itertools
import os
import re

import pytest

from conman_kernel.errors import InvalidInput, NotFound, Unauthorized
from conman_kernel.slots.provider import NoOptions, provider
from conman_kernel.slots.transport import API, Contained, Resolved
from conman_kernel.testing.kits import TransportContract

_FORM = re.compile(r"kit\.test/[a-z0-9-]{1,40}:[a-z0-9-]{1,40}")
PIECE = 256 << 10


class MemoryTransport:
    """A registry in a dict, from locations to pairs of a top descriptor and blobs by digest. Breaks nothing."""

    def __init__(self, places, context):
        self.places = places
        self.scratch = os.path.dirname(context.state_dir)

    def refuse(self, location):
        return InvalidInput(f"{location[:200]!r} is no name of an image in memory")

    def place(self, location):
        if not _FORM.fullmatch(location):
            raise self.refuse(location)
        if location not in self.places:
            raise NotFound(f"there is no image {location} in memory")
        return self.places[location]

    def resolve(self, request):
        request.cancel.check()
        descriptor, blobs = self.place(request.location)
        return Resolved(descriptor, blobs[descriptor.digest])

    def blob(self, request):
        blobs = self.place(request.location)[1]
        if request.descriptor.digest not in blobs:
            raise NotFound(f"{request.location} has no {request.descriptor.digest}")
        return blobs[request.descriptor.digest]

    def open(self, request):
        request.cancel.check()
        return MemoryStream(self.blob(request), request)

    def close(self):
        return

    def write(self, request):
        return MemoryWriter(self, request.location)

    def images(self, request):
        self.place(request.location)
        return (Contained(request.location, (request.location,)),)

    def tags(self, request):
        found = [location for location in self.places if location.rpartition(":")[0] == request.location]
        if not found:
            raise NotFound(f"there is no repository {request.location} in memory")
        return (location.rpartition(":")[2] for location in found)

    def repositories(self, request):
        return (location.rpartition(":")[0].partition("/")[2] for location in self.places)

    def login(self, request):
        raise Unauthorized("memory knows nobody")

    def logout(self, registry):
        return False

    def account(self, registry):
        return None


class MemoryStream:
    def __init__(self, data, request):
        self.data, self.offset, self.cancel = data, request.offset, request.cancel

    def __iter__(self):
        for at in range(self.offset, len(self.data), PIECE):
            self.cancel.check()
            yield self.data[at:at + PIECE]

    def close(self):
        return


class MemoryWriter:
    plain_layers: bool | None = False
    indexes = True

    def __init__(self, transport, location):
        self.transport, self.location = transport, location
        self.top, self.blobs = None, {}

    def put_blob(self, request):
        data = b"".join(request.open(0))
        request.cancel.check()
        self.blobs[request.descriptor.digest] = data
        request.progress(len(data))
        return "written"

    def put_manifest(self, request):
        self.top = request.descriptor
        self.blobs[request.descriptor.digest] = request.content

    def commit(self, cancel):
        self.transport.places[self.location] = (self.top, self.blobs)

    def close(self):
        return


def streaming(broken):
    return lambda self, request: broken(self.blob(request), request)


def writing(broken):
    return lambda self, request: broken(self, request.location)


def contract(broken):
    class Broken(TransportContract):
        @pytest.fixture
        def places(self):
            return {}

        @pytest.fixture
        def provider(self, places):
            return provider(api=API, summary="broken", options=NoOptions, open=lambda context: broken(places, context))

        @pytest.fixture
        def stock(self, places):
            numbers = itertools.count()

            def put(made):
                location = f"kit.test/{next(numbers)}:latest"
                places[location] = (made.descriptor, dict(made.blobs))
                return location

            return put

        @pytest.fixture
        def fresh(self):
            numbers = itertools.count()
            return lambda: f"kit.test/fresh-{next(numbers)}:latest"

    return Broken
