"""Blobs and manifests on their way to a registry: linked, in chunks, whole, taken up after breaks."""

from __future__ import annotations

from typing import Callable, Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import DigestMismatch, InvalidInput, Unauthorized, Unavailable
from conman_kernel.oci.descriptor import Descriptor
from conman_kernel.slots.transport import PutBlobRequest, PutManifestRequest, ResolveRequest, WriteRequest
from conman_kernel.testing import images
from conman_kernel.testing.registry import Action, Auth, Fault, Registry
from conman_registry_pull.credentials import Credentials

DATA = bytes(range(251)) * 8000
DIGEST = images.digest_of(DATA)
CHUNK = 512 * 1024
SECRET = Credentials("ann", "s3cret")


class Sent:
    """A blob's source that counts how often, and from where, it was read."""

    def __init__(self, data: bytes = DATA, piece: int = 100_000) -> None:
        self.data = data
        self.piece = piece
        self.begun: list[int] = []
        self.seen: list[int] = []

    def __call__(self, offset: int) -> Iterator[bytes]:
        self.begun.append(offset)
        for at in range(offset, len(self.data), self.piece):
            yield self.data[at:at + self.piece]


def put(transport, registry, sent: Sent | Callable[[int], Iterator[bytes]], *, name: str = "team/box:v1", digest: str = DIGEST,
        size: int = len(DATA), places: tuple[str, ...] = (), cancel: Cancel | None = None) -> str:
    writer = transport.write(WriteRequest(f"{registry.host}/{name}", Cancel(30)))
    progress = sent.seen.append if isinstance(sent, Sent) else lambda count: None
    try:
        return writer.put_blob(PutBlobRequest(Descriptor(images.OCI_LAYER, digest, size), sent, places, progress,
                                              cancel or Cancel(30)))
    finally:
        writer.close()


def stored(registry, name: str = "team/box") -> bytes:
    return registry.repositories[name].blobs[DIGEST].data


def requests(registry, method: str) -> list:
    return [r for r in registry.requests if r.method == method]


@pytest.mark.parametrize(("chunk", "patches"), [(0, 1), (CHUNK, 4), (64 << 20, 1)])
def test_a_blob_is_sent_in_chunks(registry, make_transport, chunk, patches):
    sent = Sent()
    assert put(make_transport(upload_chunk=chunk), registry, sent) == "written"
    assert stored(registry) == DATA
    assert [r.method for r in registry.requests] == ["HEAD", "POST", *["PATCH"] * patches, "PUT"]
    ranges = [r.headers["content-range"] for r in requests(registry, "PATCH")]
    assert ranges[0].startswith("0-") and ranges[-1].endswith(f"-{len(DATA) - 1}")
    assert sent.begun == [0]  # the source is read once
    assert sent.seen == sorted(sent.seen) and sent.seen[-1] == len(DATA)
    assert registry.uploads == {}


@pytest.mark.parametrize("size", [0, 1, 2])
def test_tiny_blobs(registry, transport, size):
    data = DATA[:size]
    assert put(transport, registry, Sent(data), digest=images.digest_of(data), size=size) == "written"
    assert registry.repositories["team/box"].blobs[images.digest_of(data)].data == data


def test_a_blob_that_is_there_is_not_sent(registry, transport):
    registry.add_blob(DATA, "team/box")
    assert put(transport, registry, Sent()) == "exists"
    assert [r.method for r in registry.requests] == ["HEAD"]


def test_a_blob_is_linked_from_another_repository(registry, transport):
    registry.add_blob(DATA, "other/place")
    places = ("elsewhere.example/other/place", f"{registry.host}/gone/away", f"{registry.host}/other/place", f"{registry.host}/x")
    assert put(transport, registry, Sent(), places=places) == "mounted"
    assert stored(registry) == DATA
    mounts = [r.path.partition("&from=")[2] for r in requests(registry, "POST")]
    assert mounts == ["gone/away", "other/place"]
    assert registry.uploads == {}  # what was begun for the first of them was dropped


def test_an_upload_that_began_instead_of_a_link_is_used(registry, transport):
    assert put(transport, registry, Sent(), places=(f"{registry.host}/gone/away",)) == "written"
    assert registry.count("POST") == 1
    assert stored(registry) == DATA and registry.uploads == {}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_a_link_that_is_refused_is_no_error(registry, transport, status):
    registry.fail(Fault(Action.STATUS, on="?mount=", status=status))
    assert put(transport, registry, Sent(), places=(f"{registry.host}/other/place",)) == "written"
    assert stored(registry) == DATA


def test_a_token_is_asked_for_what_is_needed_and_no_more(make_transport):
    with Registry(auth=Auth(user=SECRET.user, password=SECRET.password)) as registry:
        registry.add_blob(DATA, "other/place")
        transport = make_transport(find=lambda place, cancel: SECRET)
        assert put(transport, registry, Sent(), places=(f"{registry.host}/other/place",)) == "mounted"
        put(transport, registry, Sent(b"x"), digest=images.digest_of(b"x"), size=1)
        asked = [r.path.partition("scope=")[2] for r in registry.requests if r.path.startswith("/token")]
        assert asked == ["repository%3Ateam%2Fbox%3Apull%2Cpush",
                         "repository%3Ateam%2Fbox%3Apull%2Cpush&scope=repository%3Aother%2Fplace%3Apull"]


@pytest.mark.parametrize("auth", [Auth(user="ann", password="s3cret"), Auth("basic", "ann", "s3cret")])
def test_nobody_may_not_write(make_transport, auth):
    with Registry(auth=auth) as registry:
        with pytest.raises(Unauthorized):
            put(make_transport(), registry, Sent())
        assert registry.repositories == {}


@pytest.mark.parametrize("at", [0, 1, 200_000])
def test_a_chunk_that_is_cut_goes_on_from_the_byte_that_arrived(registry, make_transport, at):
    sent = Sent()
    registry.fail(Fault(Action.NONE, on="PATCH", times=1), Fault(Action.CUT, on="PATCH", at=at, times=1))
    assert put(make_transport(upload_chunk=CHUNK), registry, sent) == "written"
    assert stored(registry) == DATA
    starts = [int(r.headers["content-range"].partition("-")[0]) for r in requests(registry, "PATCH")]
    assert starts[:3] == [0, CHUNK, CHUNK + at]
    assert sent.begun == [0, CHUNK + at]
    assert requests(registry, "GET")[0].path.startswith("/v2/team/box/blobs/uploads/")


def test_an_upload_that_the_registry_forgot_begins_anew(registry, make_transport):
    registry.fail(Fault(Action.CUT, on="PATCH", at=1000, times=1), Fault(Action.STATUS, on="GET /v2/team/box/blobs/uploads", status=404))
    assert put(make_transport(upload_chunk=CHUNK), registry, Sent()) == "written"
    assert stored(registry) == DATA
    assert registry.count("POST") == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503])
@pytest.mark.parametrize("on", ["HEAD /v2/team/box/blobs", "POST /v2/team/box/blobs", "PATCH", "PUT /v2/team/box/blobs"])
def test_a_registry_that_is_busy_is_asked_again(registry, transport, status, on):
    registry.fail(Fault(Action.STATUS, on=on, status=status, headers=(("Retry-After", "0"),), times=2))
    assert put(transport, registry, Sent()) == "written"
    assert stored(registry) == DATA


def test_a_registry_that_stays_busy_is_given_up(registry, transport):
    registry.fail(Fault(Action.STATUS, on="PATCH", status=503, headers=(("Retry-After", "0"),)))
    with pytest.raises(Unavailable, match="PATCH .*503"):
        put(transport, registry, Sent())
    assert registry.count("PATCH") == 3
    assert registry.uploads == {}  # and is told so


@pytest.mark.parametrize("status", [404, 405, 415, 501])
def test_a_registry_that_knows_no_chunks_gets_the_whole(registry, transport, status):
    registry.fail(Fault(Action.STATUS, on="PATCH", status=status, code="UNSUPPORTED"))
    assert put(transport, registry, Sent()) == "written"
    assert stored(registry) == DATA
    assert requests(registry, "PUT")[0].headers["content-length"] == str(len(DATA))


def test_a_registry_that_takes_one_chunk_only_gets_the_whole(registry, make_transport):
    registry.fail(Fault(Action.NONE, on="PATCH", times=1), Fault(Action.STATUS, on="PATCH", status=416))
    assert put(make_transport(upload_chunk=CHUNK), registry, Sent()) == "written"
    assert stored(registry) == DATA and registry.uploads == {}


def test_the_least_chunk_that_a_registry_wants(registry, make_transport):
    registry.fail(Fault(Action.NONE, on="POST", headers=(("OCI-Chunk-Min-Length", "1500000"),)))
    assert put(make_transport(upload_chunk=CHUNK), registry, Sent()) == "written"
    assert [r.headers["content-length"] for r in requests(registry, "PATCH")] == ["1500000", str(len(DATA) - 1_500_000)]


def test_an_answer_that_was_lost_is_found_out(registry, transport):
    registry.fail(Fault(Action.LOST, on="PUT", times=1))
    assert put(transport, registry, Sent()) == "written"
    assert stored(registry) == DATA
    assert registry.count("PATCH") == 1


def test_bytes_that_were_altered_on_the_way(registry, transport):
    registry.fail(Fault(Action.ALTER, on="PATCH", at=5))
    with pytest.raises(DigestMismatch, match="DIGEST_INVALID"):
        put(transport, registry, Sent())
    assert registry.repositories.get("team/box") is None


def test_a_registry_that_names_another_digest(registry, transport):
    registry.fail(Fault(Action.DIGEST, on="PUT", value=images.digest_of(b"else")))
    with pytest.raises(DigestMismatch, match="the registry says"):
        put(transport, registry, Sent())


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b""])
def test_a_source_of_another_length_never_becomes_a_blob(registry, transport, data):
    with pytest.raises(DigestMismatch):
        put(transport, registry, Sent(data))
    assert registry.repositories == {} and registry.uploads == {}


def test_a_source_that_finds_out_that_it_lied_never_becomes_a_blob(registry, transport):
    def lying(offset: int) -> Iterator[bytes]:
        yield DATA[offset:]
        raise DigestMismatch("not these bytes")

    with pytest.raises(DigestMismatch, match="not these bytes"):
        put(transport, registry, lying)
    assert registry.count("PUT") == 0 and registry.uploads == {}


def test_a_token_that_fires_ends_an_upload(registry, transport):
    cancel = Cancel()

    def slow(offset: int) -> Iterator[bytes]:
        yield DATA[:1000]
        cancel.cancel()
        cancel.check()

    with pytest.raises(Exception, match="cancelled"):
        put(transport, registry, slow, cancel=cancel)


def manifest(transport, registry, name: str, *, top: bool = True) -> str:
    made = images.image([])
    data = made.blobs[made.descriptor.digest]
    writer = transport.write(WriteRequest(f"{registry.host}/{name}", Cancel(30)))
    writer.put_manifest(PutManifestRequest(made.descriptor, data, (), top, Cancel(30)))
    writer.commit(Cancel(30))
    writer.close()
    return made.descriptor.digest


def test_manifests_by_tag_and_by_digest(registry, transport):
    digest = manifest(transport, registry, "team/box:v1")
    found = transport.resolve(ResolveRequest(f"{registry.host}/team/box:v1", Cancel(30)))
    assert found.descriptor.digest == digest
    manifest(transport, registry, "part/of:v1", top=False)
    manifest(transport, registry, f"by/digest@{digest}")
    assert registry.repositories["part/of"].tags == registry.repositories["by/digest"].tags == {}
    for name in ("part/of", "by/digest"):
        assert digest in registry.repositories[name].manifests


def test_a_manifest_of_another_digest_is_not_sent(registry, transport):
    with pytest.raises(InvalidInput, match="has the digest"):
        manifest(transport, registry, f"by/digest@{DIGEST}")
    assert registry.count() == 0


def test_a_registry_that_stores_another_manifest(registry, transport):
    registry.fail(Fault(Action.DIGEST, on="PUT", value=DIGEST))
    with pytest.raises(DigestMismatch, match="the registry says"):
        manifest(transport, registry, "team/box:v1")


def test_a_registry_that_does_not_know_this_kind_of_manifest(registry, transport):
    registry.fail(Fault(Action.STATUS, on="PUT", status=400, code="MANIFEST_INVALID"))
    with pytest.raises(Unavailable, match="MANIFEST_INVALID") as caught:
        manifest(transport, registry, "team/box:v1")
    assert "--format docker" in caught.value.hint


@pytest.mark.parametrize("on", ["PATCH", "POST"])
def test_credentials_do_not_follow_an_upload_elsewhere(make_transport, on):
    with Registry(auth=Auth("basic", SECRET.user, SECRET.password)) as registry:
        registry.fail(Fault(Action.REDIRECT, on=on, times=2))
        assert put(make_transport(find=lambda place, cancel: SECRET), registry, Sent()) == "written"
        port = int(registry.host.partition(":")[2])
        away = [r for r in registry.requests if r.port != port]
        assert away and all("authorization" not in r.headers for r in away)
