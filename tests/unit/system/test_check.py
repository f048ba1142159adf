"""Every kind of damage is found by a check, which changes nothing, and repaired; afterwards each image shows the same tree."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Callable

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.images import leases
from conman_kernel.images.leases import Items
from conman_kernel.slots.storage import PrepareRequest

NAMES = ("one", "two", "low", "half", "other")


def blob(store, position: int) -> Path:
    """A kept layer of the image ``one``."""
    digest = store.rows("SELECT blob_digest FROM image_layers WHERE image_id = ? AND position = ?",
                        store.images.get("one").id, position)[0][0]
    return Path(store.images.parts.blobs.path(digest))


def folder(store, position: int) -> Path:
    """The snapshot's own folder of a layer of the image ``one``."""
    return store.layer_folder(store.images.get("one").layers[position]).parent


def altered_blob(store):
    data = bytearray(blob(store, 1).read_bytes())
    data[20] ^= 1
    blob(store, 1).write_bytes(data)


def cut_blob(store):
    os.truncate(blob(store, 1), 10)


def missing_blob(store):
    blob(store, 0).unlink()


def unknown_blob(store):
    store.images.parts.blobs.path("sha256:" + "a" * 64)
    (Path(store.layout.blobs) / "sha256" / ("a" * 64)).write_bytes(b"what")


def strange_blob(store):
    (Path(store.layout.blobs) / "sha256" / "notes.txt").write_bytes(b"what")


def unnoted_blob(store):
    store.change("DELETE FROM blobs WHERE digest = ?", "sha256:" + blob(store, 0).name)


def missing_top(store):
    shutil.rmtree(folder(store, 2))


def missing_base(store):
    shutil.rmtree(folder(store, 0))


def half_made(store):
    (Path(store.layout.plugin_state(store.driver_name)) / "s" / ("a" + "0" * 20) / "fs").mkdir(parents=True)


def half_made_layer(store):
    (folder(store, 2) / "meta").unlink()


def unreadable_layer(store):
    (folder(store, 2) / "meta").write_bytes(b"")


def trash(store):
    (Path(store.layout.plugin_state(store.driver_name)) / "trash" / "cabc-999999999-0" / "fs").mkdir(parents=True)


def unknown_active(store):
    store._driver(store.driver_name).prepare(PrepareRequest("nobodys", None, Cancel()))


def unknown_layer(store):
    store.change("DELETE FROM layers WHERE chain_id = ?", store.images.get("other").layers[0])
    store.change("DELETE FROM image_names WHERE name LIKE '%/other:latest'")
    image = store.rows("SELECT image_id FROM image_layers WHERE chain_id NOT IN (SELECT chain_id FROM layers)")[0][0]
    for table in ("image_digests", "image_layers"):
        store.change(f"DELETE FROM {table} WHERE image_id = ?", image)
    store.change("DELETE FROM images WHERE id = ?", image)
    store.change("DELETE FROM blobs WHERE digest NOT IN (SELECT blob_digest FROM image_layers)")


def forgotten_layer(store):
    store.change("DELETE FROM layers WHERE chain_id = ?", store.images.get("one").layers[1])


def unused_layer(store):
    store.change("INSERT INTO layers (chain_id, driver, parent, diff_id, size, created) SELECT 'sha256:' || ?, driver, NULL, "
                 "diff_id, size, 1 FROM layers LIMIT 1", "b" * 64)


def dangling_name(store):
    with store.images.parts.database.write() as db:
        db.execute("COMMIT")
        db.execute("PRAGMA foreign_keys=OFF")
        db.execute("INSERT INTO image_names VALUES ('localhost/ghost:latest', 'beef', '', 1)")
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("BEGIN IMMEDIATE")


def wrong_top(store):
    store.change("UPDATE images SET top_chain_id = '' WHERE id = ?", store.images.get("two").id)


def dead_lease(store):
    with store.images.parts.database.write() as db:
        lease = leases.take(db, "pull", Items(snapshots=((store.driver_name, "unpack-x-0"),)))
        db.execute("UPDATE leases SET boot_id = 'another' WHERE id = ?", (lease,))
    store._driver(store.driver_name).prepare(PrepareRequest("unpack-x-0", None, Cancel()))


def stale_partial(store):
    path = Path(store.layout.ingest) / ("sha256-" + "c" * 64)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"part")
    os.utime(path, (1, 1))


def orphaned_folders(store):
    for top in (store.layout.root, store.layout.run_root):
        (Path(top) / "containers" / ("d" * 64)).mkdir(parents=True)
        (Path(top) / "containers" / ("d" * 64) / "ctr.log").write_text("x")


def dead_creating(store):
    store.change("UPDATE containers SET state = 'creating', owner_pid = 1, owner_start = 1, boot_id = 'another' "
                 "WHERE id = ?", store.create("two", "unlucky"))


def lost_image_mount(store):
    store.change("INSERT INTO image_mounts VALUES (?, ?, 'gone', 1)", store.images.get("one").id, store.driver_name)


def sqlite_index(store):
    """One of SQLite's own indexes has an entry less than its table."""
    with store.images.parts.database.write() as db:
        page = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'image_layers_blob'").fetchone()[0]
        size = db.execute("PRAGMA page_size").fetchone()[0]
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("BEGIN IMMEDIATE")
    store.close()
    with open(store.layout.index, "r+b") as stream:
        stream.seek((page - 1) * size + 3)  # a b-tree page's number of cells, SQLite file format 1.6
        count = int.from_bytes(stream.read(2), "big")
        stream.seek((page - 1) * size + 3)
        stream.write((count - 1).to_bytes(2, "big"))


def containers_layer(store):
    """The row of the layer that a container stands on, and nothing else."""
    store.change("DELETE FROM layers WHERE chain_id = ?", store.images.get("one").top_chain_id)


def dangling_layer(store):
    store.change("UPDATE layers SET parent = 'sha256:' || ? WHERE chain_id = ?", "e" * 64, store.images.get("other").top_chain_id)


def dangling_lease_item(store):
    with store.images.parts.database.write() as db:
        db.execute("COMMIT")
        db.execute("PRAGMA foreign_keys=OFF")
        db.execute("INSERT INTO lease_items VALUES ('nobody', 'blob', ?)", ("sha256:" + "9" * 64,))
        db.execute("PRAGMA foreign_keys=ON")
        db.execute("BEGIN IMMEDIATE")


DAMAGE: list[tuple[Callable, str]] = [
    (altered_blob, "blob-altered"), (cut_blob, "blob-altered"), (missing_blob, "blob-missing"), (unknown_blob, "blob-unknown"),
    (strange_blob, "blob-unknown"), (unnoted_blob, "blob-unknown"), (missing_top, "layer-missing"),
    (missing_base, "layer-missing"), (half_made, "snapshot-left"), (half_made_layer, "layer-missing"),
    (unreadable_layer, "storage-unusable"), (trash, "snapshot-left"), (unknown_active, "snapshot-unknown"),
    (unknown_layer, "snapshot-unknown"), (forgotten_layer, "image-incomplete"), (unused_layer, "layer-unused"),
    (dangling_name, "row-dangling"), (wrong_top, "image-incomplete"), (dead_lease, "lease-dead"),
    (stale_partial, "partial-stale"), (orphaned_folders, "container-folder"), (dead_creating, "container-stale"),
    (lost_image_mount, "image-mount"), (sqlite_index, "index-damaged"), (containers_layer, "container-layer"),
    (dangling_lease_item, "row-dangling"), (dangling_layer, "row-dangling"),
]


def everything(store) -> dict[str, tuple[int, int]]:
    """Every file of the store, and when it was changed; SQLite's own bookkeeping beside the index aside."""
    found = {}
    for top in (store.layout.root, store.layout.run_root):
        for path in Path(top).rglob("*"):
            if not path.name.startswith(("index.db-", "plugins.cache")):
                state = path.lstat()
                found[str(path)] = (state.st_size if path.is_file() else 0, state.st_mtime_ns)
    return found


@pytest.mark.parametrize(("damage", "kind"), DAMAGE, ids=[damage.__name__ for damage, _ in DAMAGE])
def test_damage_is_found_and_repaired(store, damage, kind):
    chains = {name: store.pull(name).top_chain_id for name in NAMES}
    trees = {name: store.tree(chain) for name, chain in chains.items()}
    container = store.create("one", "kept")
    assert store.kinds() == []
    damage(store)
    before = everything(store)
    found = store.system.check(max_age=1.0)
    assert kind in [finding.kind for finding in found.findings]
    assert found.remaining == found.findings and not found.repaired
    assert everything(store) == before, "a check changes nothing"
    report = store.system.check(repair=True, max_age=1.0)
    assert report.remaining == ()
    assert [one for one in report.repaired if one.failed] == []
    assert store.kinds() == []
    assert store.kinds(verify_layers=True) == []
    assert store.containers.get("kept").id == container
    for name, tree in trees.items():
        if name != "other" or damage is not unknown_layer:
            assert store.tree(store.images.get(name).top_chain_id) == tree, name


def test_a_sound_store_has_no_findings(store):
    assert store.system.check().findings == ()
    assert not os.path.exists(store.layout.root), "looking makes nothing"
    store.pull("one")
    store.create("one")
    report = store.system.check(verify_layers=True, max_age=0.0)
    assert (report.findings, report.verified) == ((), 3)


@pytest.mark.parametrize("how", ["content", "mode", "more", "less"])
def test_an_altered_layer_is_told_from_its_blob_and_made_again(store, how):
    image, other = store.pull("one"), store.pull("two")
    trees = [store.tree(one.top_chain_id) for one in (image, other)]
    target = store.layer_folder(image.layers[1]) / "etc" / "middle"
    state = target.stat()
    if how == "content":
        target.write_bytes(b"x" * state.st_size)
        os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))
    elif how == "mode":
        target.chmod(0o600)
    elif how == "more":
        (target.parent / "added").write_text("x")
    else:
        target.unlink()
    assert store.kinds() == [], "without --verify-layers nobody looks there, and the report says so"
    assert any("verify-layers" in line for line in store.system.check().unchecked)
    assert store.kinds(verify_layers=True) == ["layer-altered"]
    report = store.system.check(verify_layers=True, repair=True)
    assert [one.done for one in report.repaired] == ["made again"] and report.remaining == ()
    assert [store.tree(one.refresh().top_chain_id) for one in (image, other)] == trees


def test_a_container_keeps_its_altered_layer_until_it_is_forced(store):
    image = store.pull("one")
    store.create(image, "holder")
    (store.layer_folder(image.layers[0]) / "etc" / "base").write_bytes(b"changed")
    report = store.system.check(verify_layers=True, repair=True)
    assert [finding.kind for finding in report.remaining] == ["layer-altered"] and report.repaired[0].failed
    assert store.containers.get("holder") is not None
    forced = store.system.check(verify_layers=True, repair=True, force=True)
    assert forced.remaining == () and store.containers.list(all=True) == []
    assert store.kinds(verify_layers=True) == []


def test_what_nobody_has_any_more_stays_until_it_is_forced(store, shelf):
    image = store.pull("one")
    store.create(image, "holder")
    blob(store, 2).unlink()
    shutil.rmtree(folder(store, 2))
    shelf.down = True
    report = store.system.check(repair=True)
    assert {"blob-missing", "image-incomplete"} <= {finding.kind for finding in report.remaining}
    assert all("down" in one.failed for one in report.repaired) and report.repaired
    assert store.images.get("one") == image
    forced = store.system.check(repair=True, force=True)
    assert forced.remaining == ()
    assert store.images.list() == [] and store.containers.list(all=True) == []
    assert store.kinds() == []


def test_a_lost_container_is_removed_only_by_force(store):
    store.pull("one")
    id = store.create("one", "lost")
    shutil.rmtree(store.layer_folder(id).parent)
    assert store.kinds() == ["container-snapshot"]
    assert [finding.kind for finding in store.system.check(repair=True).remaining] == ["container-snapshot"]
    assert store.system.check(repair=True, force=True).remaining == ()
    assert store.containers.list(all=True) == []


def test_a_container_whose_record_is_damaged_is_removed_only_by_force(store):
    """It keeps its driver from listing anything; what it wrote may still be there for a person to save."""
    store.pull("one")
    id = store.create("one", "unreadable")
    store.create("one", "fine")
    folder = store.layer_folder(id).parent
    (folder / "meta").write_bytes(b"")
    assert store.kinds() == ["storage-unusable"]
    assert "storage-unusable" in [finding.kind for finding in store.system.check(repair=True).remaining]
    assert (folder / "fs").exists()
    assert store.system.check(repair=True, force=True).remaining == ()
    assert [container.name for container in store.containers.list(all=True)] == ["fine"] and not folder.exists()


def test_quick_looks_at_sizes_alone(store):
    store.pull("one")
    altered_blob(store)
    assert store.kinds(quick=True) == []
    assert any("size" in line for line in store.system.check(quick=True).unchecked)
    cut_blob(store)
    assert store.kinds(quick=True) == ["blob-altered"]


def test_what_living_processes_work_on_is_no_finding(store, shelf):
    """In the middle of a pull, nothing of it counts as left over, and a repair takes nothing from it."""
    found: list[str] = []

    def look(digest: str) -> None:
        found.extend(store.kinds())
        found.extend(finding.kind for finding in store.system.check(repair=True, max_age=0.0).findings)

    shelf.before = look
    image = store.pull("one")
    shelf.before = lambda digest: None
    assert shelf.opened and found == []
    assert store.tree(image.top_chain_id) and store.kinds() == []


def test_young_partial_content_is_no_finding(store):
    store.pull("one")
    path = Path(store.layout.ingest) / ("sha256-" + "c" * 64)
    path.write_bytes(b"part")
    assert store.system.check().findings == ()
    assert store.kinds() == ["partial-stale"]


def test_a_layer_whose_blob_is_damaged_cannot_be_verified_until_it_is_fetched(store):
    store.pull("one")
    altered_blob(store)
    report = store.system.check(verify_layers=True)
    assert [finding.kind for finding in report.findings] == ["blob-altered", "layer-unverified"] and report.verified == 2
    repaired = store.system.check(verify_layers=True, repair=True)
    assert repaired.remaining == () and store.kinds(verify_layers=True) == []


def test_what_a_killed_command_left_with_a_driver_that_is_gone_holds_nobody_up(store, capfd):
    """Its files stay behind, and that is said; whatever else is dead is cleared."""
    dead_lease(store)
    with store.images.parts.database.write() as db:
        leases.take(db, "pull", Items(layers=(("gone-storage", "sha256:" + "7" * 64),)), "ab" * 8)
        db.execute("UPDATE leases SET boot_id = 'another'")
        db.execute("INSERT INTO layers VALUES (?, 'gone-storage', NULL, 'x', 1, 1)", ("sha256:" + "7" * 64,))
    image = store.pull("one")
    assert store.tree(image.top_chain_id)
    said = capfd.readouterr().err
    assert "layers stay behind in " in said and "gone-storage is not installed" in said
    assert store.rows("SELECT id FROM leases") == []
    store.images.prune(all=True)
    assert store.kinds() == []
