"""Pulling: what comes, what is asked for again, what a failure leaves."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import (
    Cancelled,
    ConmanError,
    DeadlineExceeded,
    DigestMismatch,
    InvalidInput,
    NotFound,
    Unavailable,
)
from conman_kernel.images.records import Progress
from conman_kernel.oci.digest import digest_of
from conman_kernel.oci.platform import Platform
from conman_kernel.slots.storage import KeyRequest
from conman_kernel.testing.images import Lies, directory, file, image, index, layer, symlink

BOX = "docker.io/library/box:latest"
NOISE = random.Random(7).randbytes(20_000)


def three_layers(**more):
    blobs = [
        layer([directory("etc"), file("etc/one", b"1"), file("noise", NOISE)]),
        layer([directory("etc"), file("etc/two", b"2"), symlink("link", "etc/two")]),
        layer([directory("usr"), file("usr/three", b"3" * 9000)]),
    ]
    return image(blobs, config={"Cmd": ["sh"], "Env": ["A=1"]}, **more), [digest_of(blob) for blob in blobs]


def test_an_image_comes_whole(bench):
    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    seen: list[Progress] = []
    got = bench.images.pull("box", progress=seen.append)
    assert got.id == made.image_id.removeprefix("sha256:")
    assert got.names == (BOX,)
    assert got.digests == (f"docker.io/library/box@{made.descriptor.digest}",)
    assert got.digest == made.descriptor.digest
    assert got.config.cmd == ("sh",)
    assert got.created == 1600000000
    assert got.storage == "folders"
    assert got.layers[-1] == got.top_chain_id
    assert bench.driver.names("committed") == set(got.layers)
    assert bench.driver.names("active") == set()
    assert (bench.driver.tree(got.top_chain_id) / "usr/three").read_bytes() == b"3" * 9000
    if not bench.driver.independent_layers:
        assert (bench.driver.tree(got.top_chain_id) / "etc/one").read_bytes() == b"1"
    assert all(stream.closed for stream in bench.shelf.streams)
    assert bench.rows("leases") == bench.rows("lease_items") == 0
    assert {kind for kind, *_ in seen} == {"resolving", "downloading", "downloaded", "unpacking", "unpacked", "done"}
    assert seen[0].kind == "resolving"
    assert seen[-1] == Progress("done", made.image_id)
    assert [e.digest for e in seen if e.kind == "unpacked"] == blobs
    assert all(bench.blobs.has(blob) for blob in blobs)


def test_blobs_go_where_they_are_not_kept(make_bench):
    bench = make_bench(independent=True, keep_blobs=False)
    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    bench.images.pull("box")
    assert not any(bench.blobs.has(blob) for blob in blobs)
    assert bench.rows("blobs") == 0


def test_a_second_pull_fetches_what_is_not_known(bench):
    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    first = bench.images.pull("box")
    bench.shelf.opened.clear()
    seen: list[Progress] = []
    second = bench.images.pull("box", progress=seen.append)
    assert second.record._replace(pulled=0) == first.record._replace(pulled=0)
    assert bench.shelf.opened == []
    assert [e.kind for e in seen] == ["resolving", "done"]
    bench.shelf.add("h.x/other:latest", made)
    seen.clear()
    bench.images.pull("h.x/other", progress=seen.append)
    assert [digest for digest, _ in bench.shelf.opened] == [made.descriptor.digest], "another name: documents only"
    assert [e.digest for e in seen if e.kind == "exists"] == blobs


def test_shared_layers_are_fetched_once(bench):
    base = layer([file("base", b"b" * 5000)])
    one, two = (image([base, layer([file(name)])]) for name in ("one", "two"))
    bench.shelf.add("h.x/one:latest", one)
    bench.shelf.add("h.x/two:latest", two)
    bench.images.pull("h.x/one")
    bench.images.pull("h.x/two")
    assert bench.shelf.times(digest_of(base)) == 1
    assert len(bench.driver.names("committed")) == 3


def test_one_blob_twice_in_an_image(bench):
    blob = layer([file("same")])
    bench.shelf.add(BOX, image([blob, blob, blob]))
    got = bench.images.pull("box")
    assert bench.shelf.times(digest_of(blob)) == 1
    assert len(bench.driver.names("committed")) == len(set(got.layers)) == 3


def test_an_image_without_layers(bench):
    bench.shelf.add(BOX, image([]))
    got = bench.images.pull("box")
    assert got.top_chain_id == ""
    assert got.storage == "folders"
    assert bench.images.get("box") == got


def test_the_platform_is_chosen_from_the_index(bench):
    arm = image([layer([file("arm")])], platform=Platform("linux", "arm64"))
    amd = image([layer([file("amd")])], platform=Platform("linux", "amd64"))
    both = bench.shelf.add(BOX, index([arm, amd]))
    got = bench.images.pull("box", platform="linux/arm64/v8")
    assert got.platform == "linux/arm64"
    assert set(got.digests) == {f"docker.io/library/box@{d.descriptor.digest}" for d in (both, arm)}
    assert bench.images.ensure("box", platform="linux/amd64").platform == "linux/amd64"
    with pytest.raises(NotFound, match="no image for linux/s390x"):
        bench.images.pull("box", platform="linux/s390x")


def test_docker_documents(bench):
    bench.shelf.add(BOX, image([layer([file("x")])], docker=True))
    assert bench.images.pull("box").layers


def test_a_digest_gives_no_name(bench):
    made, _ = three_layers()
    reference = f"h.x/box@{made.descriptor.digest}"
    bench.shelf.add(reference, made)
    got = bench.images.pull(reference)
    assert got.names == ()
    assert bench.images.get(reference).id == got.id
    assert bench.images.ensure(reference).id == got.id
    assert len(bench.shelf.resolved) == 1


def test_local_sources_are_named_as_podman_does(bench, tmp_path):
    made, _ = three_layers()
    for location in ("/p", "/p:box:1", "/p:h.x/y"):
        bench.shelf.add(location, made)
    assert bench.images.pull("oci:/p").names == ()
    assert bench.images.pull("oci:/p:box:1").names == ("localhost/box:1",)
    assert bench.images.pull("oci:/p:h.x/y").names == ("h.x/y:latest", "localhost/box:1")
    assert bench.images.get("box:1").id == made.image_id.removeprefix("sha256:")


def test_a_moved_tag_leaves_the_old_image(bench):
    old = bench.shelf.add(BOX, image([layer([file("old")])]))
    bench.images.pull("box")
    new = bench.shelf.add(BOX, image([layer([file("new")])]))
    assert bench.images.pull("box").id == new.image_id.removeprefix("sha256:")
    dangling = bench.images.list({"dangling": ["true"]})
    assert [i.id for i in dangling] == [old.image_id.removeprefix("sha256:")]


def nothing_left(bench, *, partial: bool = False) -> None:
    assert {path for path in bench.files() if not (partial and path.startswith("root/ingest/"))} == set()
    assert bench.driver.names("committed") == bench.driver.names("active") == set()
    for table in ("images", "image_names", "image_digests", "image_layers", "layers", "blobs", "leases", "lease_items"):
        assert bench.rows(table) == 0, table
    assert bench.images.list() == []


LAYER = layer([file("x", NOISE)])
OTHER = layer([file("y", NOISE[:5000])])


@pytest.mark.parametrize(("made", "error", "words"), [
    (image([LAYER, OTHER], lies=Lies(diff_ids=["sha256:" + "1" * 64] * 2)), DigestMismatch, "configuration says"),
    (image([LAYER, OTHER], lies=Lies(diff_ids=["sha256:" + "1" * 64])), InvalidInput, "lists 1 layers, its manifest 2"),
    (image([LAYER], lies=Lies(layer_sizes=[len(LAYER) - 1])), DigestMismatch, "more than the"),
    (image([LAYER], lies=Lies(layer_sizes=[len(LAYER) + 1])), DigestMismatch, "ended after"),
    (image([LAYER], lies=Lies(layer_digests=["sha256:" + "0" * 64])), NotFound, "not found"),
    (image([LAYER], lies=Lies(layer_types=["text/plain"])), InvalidInput, "not the type of an image layer"),
    (image([LAYER], lies=Lies(config_size=3)), DigestMismatch, "has not the 3 bytes"),
    (image([LAYER], lies=Lies(config_size=1 << 40)), InvalidInput, "more than the"),
    (image([LAYER], lies=Lies(config_bytes=b"[]")), InvalidInput, "not a JSON object"),
    (image([LAYER], lies=Lies(manifest={"manifests": []})), InvalidInput, "ambiguous"),
    (image([LAYER, b"\x1f\x8bnonsense"], lies=Lies(diff_ids=["sha256:" + "1" * 64] * 2)), ConmanError, "layer"),
    (image([b"not a tar at all" * 99]), InvalidInput, "layer"),
])
def test_what_is_wrong_leaves_nothing(bench, made, error, words):
    bench.shelf.add(BOX, made)
    with pytest.raises(error, match=words) as caught:
        bench.images.pull("box")
    assert "\n" not in str(caught.value)
    nothing_left(bench)


def test_an_altered_blob_is_found(bench):
    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    good = bench.shelf.blobs[blobs[1]]
    bench.shelf.blobs[blobs[1]] = good[:-9] + bytes([good[-9] ^ 1]) + good[-8:]
    with pytest.raises(DigestMismatch, match=blobs[1]):
        bench.images.pull("box")
    nothing_left(bench, partial=True)
    bench.shelf.blobs[blobs[1]] = good
    assert bench.images.pull("box")


def test_an_altered_manifest_is_found(bench):
    made, _ = three_layers()
    bench.shelf.add(BOX, made)
    bench.shelf.blobs[made.descriptor.digest] = bench.shelf.blobs[made.descriptor.digest].replace(b"sha256:",
        b"sha256;", 1)
    with pytest.raises(DigestMismatch, match="manifest of docker.io/library/box:latest"):
        bench.images.pull("box")
    nothing_left(bench)


def test_an_unknown_image_is_one_line(bench):
    with pytest.raises(NotFound, match="docker.io/library/nosuch:latest") as caught:
        bench.images.pull("nosuch")
    assert "\n" not in str(caught.value)
    nothing_left(bench)


@pytest.mark.parametrize("seekable", [True, False])
def test_a_broken_download_is_gone_on_with(bench, seekable):
    blob = layer([file("x", NOISE)], compress=False)
    bench.shelf.add(BOX, image([blob]))
    digest = digest_of(blob)
    bench.shelf.break_at[digest] = 7000
    with pytest.raises(Unavailable, match="connection broke"):
        bench.images.pull("box")
    partial = Path(bench.layout.ingest) / digest.replace(":", "-")
    assert partial.read_bytes() == blob[:7000]
    assert bench.rows("leases") == 0
    bench.shelf.seekable = seekable
    assert bench.images.pull("box")
    assert bench.shelf.opened[-1] == (digest, 7000)
    assert not partial.exists()


def test_wrong_partial_content_is_thrown_away(bench):
    blob = layer([file("x", NOISE)], compress=False)
    bench.shelf.add(BOX, image([blob]))
    bench.layout.ensure(bench.layout.ingest)
    (Path(bench.layout.ingest) / digest_of(blob).replace(":", "-")).write_bytes(b"wrong" * 100)
    assert bench.images.pull("box")
    assert [offset for digest, offset in bench.shelf.opened if digest == digest_of(blob)] == [500, 0]


def test_partial_content_of_others_is_dropped_after_a_day(bench):
    bench.shelf.add(BOX, image([LAYER]))
    bench.layout.ensure(bench.layout.ingest)
    (Path(bench.layout.ingest) / ("sha256-" + "9" * 64)).write_bytes(b"left")
    left = Path(bench.layout.ingest) / ("sha256-" + "9" * 64)
    bench.images.pull("box")
    assert list(Path(bench.layout.ingest).iterdir()) == [left], "who knows, it may be pulled again"
    os.utime(left, (time.time() - 90_000,) * 2)
    bench.images.remove("box")
    bench.images.pull("box")
    assert list(Path(bench.layout.ingest).iterdir()) == []


def test_a_cancelled_pull_leaves_partial_content_only(bench):
    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    cancel = Cancel()

    def stop(digest: str, at: int) -> None:
        if digest == blobs[0] and at >= 3000:
            cancel.cancel("enough")

    bench.shelf.before = stop
    with pytest.raises(Cancelled, match="enough"):
        bench.images.pull("box", cancel=cancel)
    assert any(path.startswith("root/ingest/") for path in bench.files())
    nothing_left(bench, partial=True)
    bench.shelf.before = lambda digest, at: None
    assert bench.images.pull("box")
    assert bench.driver.names("active") == set()


def test_a_deadline_that_has_passed(bench):
    made, _ = three_layers()
    bench.shelf.add(BOX, made)
    with pytest.raises(DeadlineExceeded):
        bench.images.pull("box", cancel=Cancel(timeout=0))
    nothing_left(bench)


def test_a_failing_progress_callback_ends_the_pull(bench):
    made, _ = three_layers()
    bench.shelf.add(BOX, made)

    def fail(event: Progress) -> None:
        if event.kind == "unpacked":
            raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        bench.images.pull("box", progress=fail)
    nothing_left(bench)


def test_a_lazy_driver_is_asked_first(bench):
    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    first = bench.images.pull("box")
    bench.images.remove("box")
    bench.driver.lazy = set(first.layers[:2])
    bench.shelf.opened.clear()
    assert bench.images.pull("box").layers == first.layers
    assert {digest for digest, _ in bench.shelf.opened} & set(blobs) == {blobs[2]}


def test_vanished_snapshots_are_made_again(bench):
    import shutil

    made, _ = three_layers()
    bench.shelf.add(BOX, made)
    got = bench.images.pull("box")
    shutil.rmtree(bench.driver.tree(got.top_chain_id).parent)
    assert bench.images.pull("box").id == got.id
    assert bench.driver.tree(got.top_chain_id).exists()


def test_a_damaged_blob_is_fetched_again(bench):
    import shutil

    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    got = bench.images.pull("box")
    shutil.rmtree(bench.driver.tree(got.top_chain_id).parent)
    Path(bench.blobs.path(blobs[2])).write_bytes(b"damaged")
    bench.images.pull("box")
    assert bench.shelf.times(blobs[2]) == 2


def test_several_short_name_places_are_tried_in_order(make_bench):
    bench = make_bench(independent=True)
    made, _ = three_layers()
    bench.images._parts = bench.parts._replace(short_names=("first.x", "docker.io/library"))
    bench.shelf.add(BOX, made)
    assert bench.images.pull("box").names == (BOX,)
    assert bench.shelf.resolved == ["first.x/box:latest", BOX]


def test_what_is_here_and_unchanged_is_only_asked_for(bench, monkeypatch):
    made, _ = three_layers()
    bench.shelf.add(BOX, made)
    first = bench.images.pull("box")
    opened = list(bench.shelf.opened)
    taken: list[object] = []
    monkeypatch.setattr("conman_kernel.images.leases.take", lambda *details: taken.append(details))
    assert bench.images.pull("box") == first
    assert bench.shelf.known == ["", made.descriptor.digest], "the transport is told what need not come"
    assert (bench.shelf.opened, taken) == (opened, []), "nothing is fetched or written"


def test_an_unchanged_image_of_which_a_layer_vanished_is_made_whole(bench):
    made, _ = three_layers()
    bench.shelf.add(BOX, made)
    top = bench.images.pull("box").top_chain_id
    bench.driver.remove(KeyRequest(top, Cancel()))
    bench.images.pull("box")
    assert bench.driver.stat(KeyRequest(top, Cancel())).name == top


def test_an_unchanged_index_is_looked_into_for_another_platform(bench):
    mine, other = image([layer([file("mine")])]), image([layer([file("other")])], platform=Platform("linux", "s390x"))
    bench.shelf.add(BOX, index([mine, other]))
    first = bench.images.pull("box")
    assert bench.images.pull("box", platform="linux/s390x") != first
    assert bench.images.pull("box") == first, "the name meant the other one, which is not for this machine"
    assert bench.shelf.known == ["", "", ""]


def test_a_broken_download_goes_on_after_other_pulls(bench):
    made, blobs = three_layers()
    bench.shelf.add(BOX, made)
    bench.shelf.add("h.x/tool:latest", image([layer([file("tool")])]))
    bench.shelf.break_at[blobs[0]] = 9000
    with pytest.raises(Unavailable):
        bench.images.pull("box")
    bench.images.pull("h.x/tool")
    bench.images.pull("box")
    first, second = [at for digest, at in bench.shelf.opened if digest == blobs[0]]
    assert first == 0 < second
