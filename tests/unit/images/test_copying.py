"""Copying: what a writer is given, in which order, verified; other forms of manifests; names."""

from __future__ import annotations

import gzip
import json
from typing import Callable, Literal

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, ConmanError, DigestMismatch, InvalidInput, NotFound, Unavailable
from conman_kernel.images.records import Progress
from conman_kernel.oci import media_types
from conman_kernel.oci.digest import digest_of
from conman_kernel.oci.platform import Platform
from conman_kernel.slots.transport import PutBlobRequest, PutManifestRequest, WriteRequest
from conman_kernel.testing.images import file, image, index, layer

ONE = layer([file("one", b"1" * 40_000)])
TWO = layer([file("two", b"2" * 100)])


class Written:
    """A destination in memory that remembers everything in order."""

    def __init__(self, desk: Desk, location: str) -> None:
        self.location = location
        self.plain_layers, self.indexes = desk.plain, desk.indexes
        self.desk = desk
        self.blobs: dict[str, bytes] = {}
        self.manifests: list[PutManifestRequest] = []
        self.committed = self.closed = False

    def put_blob(self, request: PutBlobRequest) -> Literal["exists", "mounted", "written"]:
        self.desk.places[request.descriptor.digest] = request.places
        if request.descriptor.digest in self.desk.has:
            return "exists"
        self.desk.before(request)
        data = b"".join(request.open(0))
        for offset in self.desk.again:
            assert b"".join(request.open(offset)) == data[offset:], "another try brings the same bytes"
        assert len(data) == request.descriptor.size and digest_of(data) == request.descriptor.digest
        self.blobs[request.descriptor.digest] = data
        request.progress(len(data))
        return "written"

    def put_manifest(self, request: PutManifestRequest) -> None:
        assert digest_of(request.content) == request.descriptor.digest and len(request.content) == request.descriptor.size
        named = json.loads(request.content)
        needed = [named["config"], *named["layers"]] if "layers" in named else []
        assert all(one["digest"] in self.blobs or one["digest"] in self.desk.has for one in needed), "blobs come first"
        self.manifests.append(request)

    def commit(self, cancel: Cancel) -> None:
        self.committed = True

    def close(self) -> None:
        self.closed = True


class Desk:
    """The bench's shelf, which can be written to, too."""

    def __init__(self, shelf) -> None:
        self.resolve, self.open, self.close = shelf.resolve, shelf.open, shelf.close
        self.written: list[Written] = []
        self.plain = self.indexes = False
        self.has: set[str] = set()
        self.again: tuple[int, ...] = ()
        self.places: dict[str, tuple[str, ...]] = {}
        self.before: Callable[[PutBlobRequest], None] = lambda request: None

    def write(self, request: WriteRequest) -> Written:
        self.written.append(Written(self, request.location))
        return self.written[-1]


@pytest.fixture
def desk(bench):
    made = Desk(bench.shelf)
    bench.images._parts = bench.parts._replace(transport=lambda scheme, access: made)
    return made


def test_push_sends_blobs_then_the_manifest_unchanged(bench, desk):
    made = bench.shelf.add("docker.io/library/x:1", image([ONE, TWO]))
    pulled = bench.images.pull("x:1")
    seen: list[Progress] = []
    digest = bench.images.push("x:1", "reg.example/there/y:2", progress=seen.append)
    (writer,) = desk.written
    assert (writer.location, digest, writer.committed, writer.closed) == ("reg.example/there/y:2", made.descriptor.digest, True, True)
    (manifest,) = writer.manifests
    assert manifest.content == made.blobs[digest] and manifest.top and manifest.names == ()
    assert set(writer.blobs) | {digest} == set(made.blobs)
    assert {event.kind for event in seen} == {"sending", "sent", "done"}
    assert f"reg.example/there/y@{digest}" in bench.images.get(pulled.id).digests, "the store knows that it is there"


def test_push_without_a_destination_goes_where_the_name_says(bench, desk):
    bench.shelf.add("reg.example/a:1", image([ONE]))
    bench.images.pull("reg.example/a:1").push()
    assert desk.written[0].location == "reg.example/a:1"


@pytest.mark.parametrize("names, message", [((), "has 0 names"), (("one", "two"), "has 2 names")])
def test_push_wants_to_know_where(bench, desk, names, message):
    bench.shelf.add("reg.example/a:1", image([ONE]))
    found = bench.images.pull("reg.example/a:1")
    with bench.index.write() as db:
        db.execute("DELETE FROM image_names")
        db.executemany("INSERT INTO image_names VALUES (?, ?, '', 0)", [(f"reg.example/{name}:1", found.id) for name in names])
    with pytest.raises(InvalidInput, match=message):
        bench.images.push(found.id)
    assert desk.written == []


def test_blobs_are_offered_from_where_they_were_seen(bench, desk):
    made = bench.shelf.add("reg.example/first:1", image([ONE]))
    bench.images.pull("reg.example/first:1")
    bench.images.push("reg.example/first:1", "reg.example/second:1")
    assert set(desk.places.values()) == {("reg.example/first",)}
    bench.images.push("reg.example/first:1", "reg.example/third:1")
    assert set(desk.places) == {digest for digest in made.blobs if digest != made.descriptor.digest}
    assert set(desk.places.values()) == {("reg.example/second", "reg.example/first")}


def test_another_try_from_any_byte_brings_the_same_bytes(bench, desk):
    made = bench.shelf.add("reg.example/x:1", image([layer([file("big", bytes(range(256)) * 400)], compress=False)]))
    desk.again = (0, 1, 999, 1000, 50_000)
    desk.has = {next(d for d in made.blobs if made.blobs[d].startswith(b"{") and d != made.descriptor.digest)}
    assert bench.images.copy("docker://reg.example/x:1", "docker://other.example/x:1").present == 1


@pytest.mark.parametrize("how", ["altered", "longer", "shorter"])
def test_a_source_that_lies_is_found_out_on_the_way(bench, desk, how):
    made = bench.shelf.add("reg.example/x:1", image([ONE]))
    digest = digest_of(ONE)
    bench.shelf.blobs[digest] = {"altered": b"x" + ONE[1:], "longer": ONE + b"x", "shorter": ONE[:-1]}[how]
    with pytest.raises(DigestMismatch, match=digest):
        bench.images.copy("docker://reg.example/x:1", "docker://other.example/x:1")
    (writer,) = desk.written
    assert not writer.committed and writer.closed and writer.manifests == [] and made


def test_a_copy_needs_no_store(bench, desk):
    made = bench.shelf.add("reg.example/x:1", image([ONE, TWO]))
    report = bench.images.copy("reg.example/x:1", "other.example/x:2")
    assert (report.digest, report.written) == (made.descriptor.digest, 3)
    assert bench.rows("images") == 0 and bench.files() == set()


def test_of_an_index_one_platform_or_all(bench, desk):
    here, other = image([ONE]), image([TWO], config={"architecture": "s390x"})
    arm = other._replace(descriptor=other.descriptor._replace(platform=Platform("linux", "s390x")))
    both = bench.shelf.add("reg.example/x:1", index([here, arm]))
    assert bench.images.copy("reg.example/x:1", "other.example/x:1").digest == here.descriptor.digest
    assert bench.images.copy("reg.example/x:1", "other.example/x:1", platform="linux/s390x").digest == other.descriptor.digest
    with pytest.raises(InvalidInput, match="cannot hold an index"):
        bench.images.copy("reg.example/x:1", "other.example/x:1", all_platforms=True)
    desk.indexes = True
    assert bench.images.copy("reg.example/x:1", "other.example/x:1", all_platforms=True).digest == both.descriptor.digest
    assert [put.top for put in desk.written[-1].manifests] == [False, False, True]


def test_layers_are_inflated_for_those_who_want_them_so(bench, desk):
    made = bench.shelf.add("reg.example/x:1", image([ONE, TWO, ONE]))
    pulled = bench.images.pull("reg.example/x:1")
    desk.plain = True
    bench.images.push(pulled, "other.example/x:1")
    (writer,) = desk.written
    document = json.loads(writer.manifests[0].content)
    wanted = [gzip.decompress(blob) for blob in (ONE, TWO, ONE)]
    assert [writer.blobs[one["digest"]] for one in document["layers"]] == wanted
    assert {one["mediaType"] for one in document["layers"]} == {media_types.DOCKER_LAYER}
    assert document["config"]["digest"] == f"sha256:{pulled.id}" and made.descriptor.digest != writer.manifests[0].descriptor.digest
    assert bench.files() & {"root/ingest"} == set()


def test_formats_are_rewritten_and_back_again(bench, desk):
    for docker in (False, True):
        made = bench.shelf.add(f"reg.example/x:{docker}", image([ONE, TWO], docker=docker))
        same, other = ("docker", "oci") if docker else ("oci", "docker")
        assert bench.images.copy(f"reg.example/x:{docker}", "o.example/x:1", format=same).digest == made.descriptor.digest
        bench.images.copy(f"reg.example/x:{docker}", "o.example/x:1", format=other)
        written = desk.written[-1].manifests[0]
        document = json.loads(written.content)
        kinds = {written.descriptor.media_type, document["mediaType"], document["config"]["mediaType"],
                 *(one["mediaType"] for one in document["layers"])}
        assert {kind.startswith("application/vnd.docker.") for kind in kinds} == {other == "docker"}


def test_a_copy_into_the_store_is_a_pull_under_that_name(bench, desk):
    bench.shelf.add("reg.example/x:1", image([ONE]))
    report = bench.images.copy("reg.example/x:1", "store:mine")
    assert (report.written, report.present) == (1, 0)
    assert bench.images.get("mine").names == ("localhost/mine:latest",)
    assert bench.images.get("mine").digests[0].startswith("localhost/mine@sha256:")
    bench.images.copy("store:mine", "other.example/x:9")
    assert desk.written[-1].location == "other.example/x:9"
    bench.shelf.add("reg.example/x:2", image([ONE, TWO]))
    report = bench.images.copy("reg.example/x:2", "store:mine")
    assert (report.written, report.present) == (1, 1)


@pytest.mark.parametrize("source, where, options, message", [
    ("store:mine", "o.example/x:1", {"all_platforms": True}, "one platform"),
    ("reg.example/x:1", "store:x", {"format": "oci"}, "as it came"),
    ("reg.example/x:1", "store:x", {"all_platforms": True}, "as it came"),
    ("reg.example/x:1", "o.example/x:1", {"all_platforms": True, "platform": "linux/arm64"}, "exclude"),
    ("reg.example/x:1", "store:x@sha256:" + "0" * 64, {}, "cannot be the name"),
])
def test_wishes_that_cannot_be(bench, desk, source, where, options, message):
    bench.shelf.add("reg.example/x:1", image([ONE]))
    bench.images.copy("reg.example/x:1", "store:mine")
    with pytest.raises(InvalidInput, match=message):
        bench.images.copy(source, where, **options)
    assert desk.written == []


def test_a_transport_that_only_reads_says_so(bench):
    bench.shelf.add("reg.example/x:1", image([ONE]))
    with pytest.raises(InvalidInput, match="only reads"):
        bench.images.copy("reg.example/x:1", "o.example/x:1")


def test_the_first_failure_ends_the_others(bench, desk):
    bench.shelf.add("reg.example/x:1", image([ONE, TWO]))
    stuck: list[BaseException] = []

    def before(request: PutBlobRequest) -> None:
        if request.descriptor.digest == digest_of(TWO):
            raise Unavailable("the disk is full there")
        try:
            request.cancel.wait_readable(timeout=20)
        except ConmanError as error:
            stuck.append(error)
            raise

    desk.before = before
    with pytest.raises(Unavailable, match="full there"):
        bench.images.copy("reg.example/x:1", "o.example/x:1")
    assert [type(error) for error in stuck] == [Cancelled] * len(stuck)


def test_a_fired_token_ends_a_copy(bench, desk):
    bench.shelf.add("reg.example/x:1", image([ONE]))
    cancel = Cancel()

    def before(request: PutBlobRequest) -> None:
        cancel.cancel("enough")
        request.cancel.wait_readable(timeout=20)

    desk.before = before
    with pytest.raises(Cancelled):
        bench.images.copy("reg.example/x:1", "o.example/x:1", cancel=cancel)
    assert desk.written[0].closed and not desk.written[0].committed


def test_a_layer_that_was_not_kept_is_fetched_again_or_missed(make_bench):
    bench = make_bench(independent=True, keep_blobs=False)
    desk = Desk(bench.shelf)
    bench.images._parts = bench.parts._replace(transport=lambda scheme, access: desk)
    made = bench.shelf.add("reg.example/x:1", image([ONE]))
    bench.images.pull("reg.example/x:1")
    assert bench.images.push("reg.example/x:1", "o.example/x:1") == made.descriptor.digest
    with bench.index.write() as db:
        db.execute("DELETE FROM image_digests")
        db.execute("DELETE FROM blob_places")
    with pytest.raises(NotFound, match="was not kept"):
        bench.images.push("reg.example/x:1", "o.example/x:1")
