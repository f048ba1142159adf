"""Names, history, shared layers, filters and pruning of images; and what the store takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from conman_kernel.errors import InvalidInput, NotFound
from conman_kernel.testing.images import digest_of, image

from .conftest import BASE, HOST, MIDDLE, TOPS

ONE, TWO = f"{HOST}/one:latest", f"{HOST}/two:latest"


def test_names_come_and_go(store):
    made = store.pull("one").tag("short", "host.test/x/y:3")
    assert made.names == ("host.test/x/y:3", "localhost/short:latest", ONE)
    assert f"host.test/x/y@{made.digest}" in made.digests
    assert made.untag("short").names == ("host.test/x/y:3", ONE)
    assert made.untag("y:3").names == (ONE,)
    assert not any(name.startswith("host.test") for name in store.images.get("one").digests)
    bare = store.images.get("one").untag()
    assert (bare.names, bare.digests) == ((), ())
    assert store.kinds() == []


def test_a_name_moves(store):
    one, two = store.pull("one"), store.pull("two")
    one.tag("it")
    two.tag("it")
    assert store.images.get("it") == two and one.refresh().names == (ONE,)


@pytest.mark.parametrize("name", ["UPPER", "x@sha256:" + "a" * 64, "oci:/x", "a b", ""])
def test_what_is_no_name(store, name):
    made = store.pull("one")
    with pytest.raises(InvalidInput):
        made.tag("good", name)
    assert made.refresh().names == (ONE,), "all or none"


def test_untagging_what_is_not_there(store):
    made = store.pull("one").tag("x")
    store.pull("two")
    for name in ("nope", TWO):
        with pytest.raises(NotFound, match="not known"):
            made.untag("x", name)
    assert made.refresh().names == ("localhost/x:latest", ONE)


def test_history_tells_each_step(store, shelf):
    store.pull("half")
    steps = store.pull("one").history()
    assert [step.created_by for step in steps] == ["layer 2", "layer 1", "layer 0"]
    assert [step.size for step in steps] == [10240] * 3 and steps[0].tags == (ONE,)
    assert [step.id for step in steps] == [store.images.get("one").id, "<missing>", "<missing>"]
    low = store.pull("low")
    assert store.images.get("one").history()[-1].id == low.id, "the image that ends with that step"


def test_history_of_odd_documents(store, shelf):
    import json

    config = json.loads(image([BASE]).blobs[image([BASE]).image_id])
    steps = [{"created_by": "FROM x"}, {"created_by": "ENV a", "empty_layer": True, "created": "2020-01-01T00:00:00Z"}]
    for name, history in (("told", steps), ("untold", [])):
        made = image([BASE, MIDDLE], config={"Cmd": ["x"]})
        document = {**json.loads(made.blobs[made.image_id]), "history": history, "config": config["config"]}
        from conman_kernel.testing.images import Lies

        shelf.add(name, image([BASE, MIDDLE], lies=Lies(config_bytes=json.dumps(document).encode())))
    assert [(s.created_by, s.size) for s in store.pull("told").history()] == [("ENV a", 0), ("FROM x", 10240), ("", 10240)]
    assert [(s.created_by, s.size) for s in store.pull("untold").history()] == [("", 10240)] * 2


def test_who_shares_which_layers(store):
    for name in ("one", "two", "other"):
        store.pull(name)
    found = {image.names[0]: image for image in store.images.tree().images}
    assert (found[ONE].size, found[ONE].shared, found[ONE].unique) == (30720, 20480, 10240)
    assert found[f"{HOST}/other:latest"].shared == 0
    assert [len(layer.users) for layer in found[ONE].layers] == [2, 2, 1]
    assert [len(layer.tops) for layer in found[ONE].layers] == [0, 0, 1]
    assert len(store.images.tree([store.images.get("one")]).layers) == 3
    assert len(store.images.tree().layers) == 5


def names(store, **filters: list[str]) -> set[str]:
    return {name.split("/")[1].split(":")[0] for found in store.images.list({k.rstrip("_"): v for k, v in filters.items()})
            for name in found.names}


def test_filters(store, shelf):
    shelf.add("plain", image([TOPS[3]], config={"Cmd": ["x"]}))
    one = store.pull("one")
    store.pull("plain")
    store.create("one")
    assert names(store, digest=[one.digest]) == names(store, digest=[one.digest[:20]]) == names(store, id=[one.id[:9]]) == {"one"}
    assert names(store, label=["kind=test"]) == {"one"} and names(store, label=["nope", "kind"]) == {"one"}
    assert names(store, **{"label!": ["kind=test"]}) == {"plain"} and names(store, **{"label!": ["kind", "x"]}) == {"plain"}
    assert names(store, containers=["true"]) == {"one"} and names(store, containers=["false"]) == {"plain"}
    assert names(store, containers=["external"]) == set()
    assert names(store, until=["2030-01-01"]) == {"one", "plain"} and names(store, until=["2019-01-01"]) == set()
    assert names(store, intermediate=["true"]) == names(store, readonly=["true"]) == set()
    assert names(store, intermediate=["false"]) == names(store, readonly=["false"]) == {"one", "plain"}
    assert names(store, reference=["*/pl*"], dangling=["false"]) == {"plain"}
    assert names(store, manifest=["true"]) == names(store, id=[""]) == set() and names(store, manifest=["false"]) == {"one", "plain"}
    assert names(store, **{"reference!": ["*/pl*"]}) == {"one"} and names(store, **{"id!": [one.id]}) == {"plain"}
    assert names(store, **{"dangling!": ["true"], "containers!": ["true"]}) == {"plain"}
    for wrong in ({"nope": ["x"]}, {"nope!": ["x"]}, {"dangling": ["maybe"]}, {"until": ["yesterday"]}):
        with pytest.raises(InvalidInput):
            store.images.list(wrong)


def test_a_prune_takes_what_nothing_needs(store):
    for name in ("one", "two", "half"):
        store.pull(name)
    two = store.images.get("two").untag()
    store.create("half", "holder")
    size = sum(row[0] for row in store.rows("SELECT blob_size FROM image_layers WHERE image_id = ? AND position = 2", two.id))
    report = store.images.prune()
    assert report.deleted == (two.id,) and report.reclaimed == 10240 + size, "shared layers stay"
    assert store.images.prune().deleted == ()
    assert store.images.prune(all=True, filters={"label!": ["kind"]}).deleted == ()
    assert store.images.prune(all=True, filters={"until": ["2019-01-01"]}).deleted == ()
    assert set(store.images.prune(all=True).untagged) == {ONE}
    assert [found.names for found in store.images.list()] == [(f"{HOST}/half:latest",)]
    with pytest.raises(InvalidInput, match="unknown filter"):
        store.images.prune(filters={"nope": ["x"]})
    assert store.kinds() == []


def test_a_mounted_image_is_not_pruned(store):
    store.change("INSERT INTO image_mounts VALUES (?, ?, 'key', 1)", store.pull("one").id, store.driver_name)
    assert store.images.prune(all=True).deleted == ()


def test_what_the_store_takes(store):
    for name in ("one", "two"):
        store.pull(name)
    store.create("one", "box")
    usage = store.system.df()
    totals = {total.kind: total for total in usage.totals}
    assert list(totals) == ["Images", "Containers", "Local Volumes", "Blobs", "Partial Content"]
    blobs = {digest_of(blob): len(blob) for blob in (BASE, MIDDLE, *TOPS[:2])}
    assert totals["Images"][1:] == (2, 1, 40960, 10240), "each layer once; what only the unused image has can be had back"
    assert totals["Containers"][1:3] == (1, 0) and totals["Containers"].size == totals["Containers"].reclaimable
    assert totals["Blobs"][1:] == (4, 3, sum(blobs.values()), blobs[digest_of(TOPS[1])])
    assert {(one.unique, one.shared, one.containers) for one in usage.images} == {(10240, 20480, 1), (10240, 20480, 0)}
    assert [one.name for one in usage.containers] == ["box"]


def test_a_system_prune(store):
    store.pull("one")
    store.pull("two").untag()
    partial = Path(store.layout.ingest) / ("sha256-" + "c" * 64)
    partial.write_bytes(b"part")
    assert store.system.df().totals[4][1:] == (1, 0, 4, 4)
    kept = store.containers.get(store.create("one", "labelled"))
    store.create("one", "plain")
    assert store.system.prune_containers(filters={"label": ["nope"]}) == ((), 0)
    assert store.system.prune_containers(filters={"label!": ["kind"]}) == ((), 0)
    assert store.system.prune_containers(filters={"until": [str(time.time() - 60)]}) == ((), 0)
    with pytest.raises(InvalidInput):
        store.system.prune(filters={"name": ["x"]})
    assert partial.exists(), "a filter spares downloads"
    report = store.system.prune()
    assert not partial.exists() and kept.id in report.containers and len(report.containers) == 2 and len(report.images.deleted) == 1
    assert report.reclaimed > 10240
    assert store.system.prune(all=True).images.untagged == (ONE,)
    assert [total[1:] for total in store.system.df().totals] == [(0, 0, 0, 0)] * 5
    assert store.kinds() == []


def test_sizes_are_those_of_the_disk(store):
    """What a container wrote, kept blobs and partial downloads are measured as du(1) does; layers as large as their archives."""
    import os
    import subprocess

    store.pull("one")
    id = store.create("one", "box")
    before = {total.kind: total.size for total in store.system.df().totals}
    folder = store.layer_folder(id)
    (folder / "written").write_bytes(os.urandom(1_000_000))
    partial = Path(store.layout.ingest) / ("sha256-" + "c" * 64)
    partial.write_bytes(b"p" * 50_000)
    after = {total.kind: total.size for total in store.system.df().totals}
    on_disk = int(subprocess.run(["du", "-s", "--block-size=1", str(folder)], capture_output=True, check=True, text=True).stdout.split()[0])
    blobs = Path(store.layout.blobs) / "sha256"
    assert after["Blobs"] == sum(path.stat().st_size for path in blobs.iterdir())
    assert after["Partial Content"] == 50_000 and after["Images"] == before["Images"]
    assert abs(after["Containers"] - before["Containers"] - 1_000_000) < 8192
    assert abs(after["Containers"] - on_disk) <= 65536, "folders are counted by du as well"
    assert store.system.df().containers[0].size == after["Containers"]
