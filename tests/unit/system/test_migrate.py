"""Images and containers move between drivers: whole, compared, gone on with after a kill."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import (
    Cancelled,
    ConmanError,
    InvalidInput,
    InvalidState,
    PluginNotInstalled,
    PluginUnavailable,
    Unavailable,
)
from conman_kernel.images import leases
from conman_kernel.images.leases import Items
from conman_kernel.images.mounted import merged
from conman_kernel.processes import boot_id, start_time
from conman_kernel.slots.storage import KeyRequest
from conman_kernel.system import moving
from conman_kernel.system.migration import MigrateStep
from conman_kernel.testing.trees import Entry, read_tree

from .conftest import Shelf, Store

PROGRAM = Path(__file__).with_name("migrating.py")
WAYS = [("overlay-storage", "vfs-storage"), ("vfs-storage", "overlay-storage")]
POINTS = 12


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0].split('-')[0]}-{way[1].split('-')[0]}")
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    return request.param  # type: ignore[no-any-return]


def filled(folder: Path, driver: str, shelf: Shelf, **options: object) -> Store:
    """Three images that share layers, and two containers: one that changed much, one that changed nothing."""
    store = Store(folder, driver, shelf, **options)
    one, _, _ = store.pull("one"), store.pull("two"), store.pull("other")
    change(store, store.create(one, "box"))
    store.create(one, "plain")
    return store


@pytest.fixture
def store(way: tuple[str, str], scratch: Path, shelf: Shelf) -> Iterator[Store]:
    made = filled(scratch, way[0], shelf)
    yield made
    made.close()


def shown(store: Store, container: str) -> dict[str, Entry]:
    """Every entry that a container shows; overlayfs's own numbers of links left out."""
    row = store.containers.get(container).row
    with merged(store._driver(row.storage).mounts(KeyRequest(row.id, Cancel())), store.layout, f"test-{row.id}") as fd:
        return read_tree(f"/proc/self/fd/{fd}/.")


def change(store: Store, id: str) -> None:
    row = store.containers.get(id).row
    with merged(store._driver(row.storage).mounts(KeyRequest(id, Cancel())), store.layout, "test") as fd:
        root = Path(f"/proc/self/fd/{fd}/.")
        (root / "etc/new").write_text("new")
        os.setxattr(root / "etc/new", "trusted.note", b"n")
        os.link(root / "etc/new", root / "linked")
        (root / "etc/base").unlink()
        (root / "etc/middle").write_bytes(b"M" * 3000)
        os.chown(root / "etc/middle", 5, 6)
        os.mknod(root / "null", stat.S_IFCHR | 0o620, os.makedev(1, 3))
        os.mkfifo(root / "pipe")
        (root / "bin").rmdir()
        (root / "bin").symlink_to("etc")
        shutil.rmtree(root / "etc/sub", ignore_errors=True)
        (root / "deep/er").mkdir(parents=True)
        os.utime(root / "deep", ns=(1, 1_500_000_000_123_456_789))
        os.chmod(root, 0o711)


def everything(store: Store) -> dict[str, object]:
    """All that anybody can see of images and containers."""
    seen: dict[str, object] = {}
    for image in store.images.list():
        store.driver_name = image.storage
        seen[image.id] = timeless(store.tree(image.top_chain_id))
    for container in store.containers.list(all=True):
        seen[container.row.name] = shown(store, container.id)
    return seen


def timeless(tree: dict[str, Entry]) -> dict[str, Entry]:
    """Without the times of folders: one that no layer describes has the time of its unpacking."""
    return {path: entry._replace(mtime=0) if entry.kind == "folder" else entry for path, entry in tree.items()}


def holds(store: Store, driver: str) -> list[str]:
    return [info.name for info in store._driver(driver).walk(Cancel())]


def test_everything_is_there_as_it_was_and_the_old_is_gone(store, way):
    source, to = way
    before, steps = everything(store), list[MigrateStep]()
    report = store.system.migrate(to=to, progress=steps.append)
    assert everything(store) == before
    assert (report.to, report.sources, len(report.images), len(report.containers), report.left) == (to, (source,), 3, 2, ())
    assert holds(store, source) == [] and {row[0] for row in store.rows("SELECT driver FROM layers")} == {to}
    assert {container.row.storage for container in store.containers.list(all=True)} == {to}
    assert [step.kind for step in steps] == ["image"] * 3 + ["container"] * 2 + ["removed"]
    assert report.removed == 5 and store.shelf.opened == list(dict.fromkeys(store.shelf.opened)), "nothing was downloaded again"
    assert store.kinds() == [] and store.rows("SELECT * FROM leases") == []
    again = store.system.migrate(to=to)
    assert (again.images, again.containers, again.removed) == ((), (), 0) and everything(store) == before


def test_there_and_back(store, way):
    before = everything(store)
    store.system.migrate(to=way[1])
    store.system.migrate(to=way[0], source=way[1])
    assert everything(store) == before and holds(store, way[1]) == [] and store.kinds() == []


def test_without_blobs_the_layers_are_copied(way, scratch, shelf):
    store = filled(scratch, way[0], shelf, keep_blobs=False)
    shelf.down = True
    before = everything(store)
    steps: list[MigrateStep] = []
    store.system.migrate(to=way[1], progress=steps.append)
    assert everything(store) == before and holds(store, way[0]) == [] and store.kinds() == []
    assert steps[0].detail.endswith(f"copied from {way[0]}")
    store.close()


def test_an_altered_blob_is_not_believed(store, way):
    shutil.rmtree(f"{store.layout.blobs}/sha256")
    os.mkdir(f"{store.layout.blobs}/sha256")
    for digest, in store.rows("SELECT digest FROM blobs"):
        Path(store.layout.blobs, *str(digest).split(":")).write_bytes(b"altered")
    store.shelf.down = True
    before = everything(store)
    store.system.migrate(to=way[1])
    assert everything(store) == before and holds(store, way[0]) == []


def test_an_altered_layer_is_told_and_stays(store, way):
    one = store.images.get("one")
    store.driver_name = way[0]
    # what vfs shows is the topmost copy alone
    (store.layer_folder(one.layers[1 if way[0] == "overlay-storage" else 2]) / "etc/middle").write_bytes(b"altered")
    with pytest.raises(InvalidState, match=r"is not what it is in .*: /etc/middle: has") as caught:
        store.system.migrate(to=way[1])
    assert "system check" in caught.value.hint
    assert {container.row.storage for container in store.containers.list(all=True)} == {way[0]}
    assert shown(store, "box")


def test_only_one_source_is_left(store, way):
    store.images.parts.storage(way[1])
    other = Store(Path(store.layout.root).parent, way[1], store.shelf)
    other.create(other.images.get("other"), "there")
    report = store.system.migrate(to=way[1], source=way[0])
    assert len(report.containers) == 2 and shown(store, "there")
    with pytest.raises(InvalidInput, match="where from and where to"):
        store.system.migrate(to=way[1], source=way[1])
    other.close()


def test_looking_changes_nothing(store, way):
    before = store.rows("SELECT * FROM layers"), store.rows("SELECT id, storage FROM containers")
    steps: list[MigrateStep] = []
    report = store.system.migrate(to=way[1], dry_run=True, progress=steps.append)
    assert len(report.images) == 3 and len(report.containers) == 2 and report.removed == 0
    assert {step.detail for step in steps if step.kind == "image"} == {
        "3 layers, from their kept blobs", "1 layers, from their kept blobs"}
    assert (store.rows("SELECT * FROM layers"), store.rows("SELECT id, storage FROM containers")) == before
    assert holds(store, way[1]) == []


@pytest.mark.parametrize("to, error", [("ghost-storage", PluginNotInstalled), ("btrfs-storage", PluginUnavailable)])
def test_a_driver_that_is_not_there(store, to, error):
    before = everything(store)
    with pytest.raises(error):
        store.system.migrate(to=to)
    assert everything(store) == before


def test_what_runs_is_named_and_nothing_is_touched(store, way):
    store.change("UPDATE containers SET state = 'running', boot_id = ?, owner_pid = ?, owner_start = ? WHERE name = 'box'",
                 boot_id(), os.getpid(), start_time(os.getpid()))
    with pytest.raises(InvalidState, match="while containers run: box$") as caught:
        store.system.migrate(to=way[1])
    assert "stop" in caught.value.hint and holds(store, way[1]) == []


def test_who_works_on_it_is_told(store, way):
    number = store.containers.get("box").row.num
    with store._locks.acquire(number), pytest.raises(InvalidState, match="box: another command is at work on it"):
        store.system.migrate(to=way[1])
    with store.images.parts.database.write() as db:
        lease = leases.take(db, "pull", Items(((way[0], "sha256:x"),)))
    with pytest.raises(InvalidState, match=rf"at work on layers: pull \(process {os.getpid()}\)"):
        store.system.migrate(to=way[1])
    with store.images.parts.database.write() as db:
        leases.drop(db, [lease])
    store.containers.get("box").mount()
    with pytest.raises(InvalidState, match="while containers are mounted: box"):
        store.system.migrate(to=way[1])
    store.containers.get("box").unmount()
    store.system.migrate(to=way[1])


def test_nothing_can_be_started_meanwhile(store, way, monkeypatch):
    """Whoever tries waits for the lock, and finds the container in the new driver."""
    tried: list[str] = []
    real = moving.Mover.container

    def watched(mover, row):
        for name in ("box", "plain"):
            assert store._locks.try_acquire(store.containers.get(name).row.num) is None
            tried.append(name)
        real(mover, row)

    monkeypatch.setattr(moving.Mover, "container", watched)
    store.system.migrate(to=way[1])
    assert tried == ["box", "plain"] * 2


def test_a_container_made_meanwhile_keeps_its_layers(store, way, monkeypatch):
    real = moving.Mover.remove_layers

    def late(mover, source):
        if source == way[0]:
            store.create(store.images.get("two"), "late")
        return real(mover, source)

    monkeypatch.setattr(moving.Mover, "remove_layers", late)
    report = store.system.migrate(to=way[1])
    (left,) = report.left
    assert "late" in left and shown(store, "late") and store.kinds() == []
    monkeypatch.undo()
    assert store.system.migrate(to=way[1]).left == () and shown(store, "late") and holds(store, way[0]) == []


@pytest.mark.parametrize("step", ["carry", "compare", "switch"])
def test_a_failure_leaves_the_container_where_it_was(store, way, monkeypatch, step):
    before = everything(store)
    failing = {"carry": (moving.Mover, "_carry"), "compare": (moving.Mover, "_same"), "switch": (moving, "_on_disk")}[step]

    def fail(*arguments):
        if step != "compare" or "container" in arguments[3]:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(*failing, fail)
    with pytest.raises(Unavailable, match=r"moving container box to .*: no space left on device"):
        store.system.migrate(to=way[1])
    monkeypatch.undo()
    assert store.rows("SELECT * FROM leases") == []
    assert {container.row.storage for container in store.containers.list(all=True)} == {way[0]}
    assert {name: seen for name, seen in everything(store).items() if name in ("box", "plain")} == {
        name: before[name] for name in ("box", "plain")}
    store.system.migrate(to=way[1])
    assert everything(store) == before


def test_a_person_who_has_had_enough(store, way):
    before, cancel = everything(store), Cancel()

    def enough(step: MigrateStep) -> None:
        if step.kind == "container":
            cancel.cancel("enough")

    with pytest.raises(Cancelled):
        store.system.migrate(to=way[1], progress=enough, cancel=cancel)
    assert everything(store) == before
    assert sorted(container.row.storage for container in store.containers.list(all=True)) == sorted(way)
    store.system.migrate(to=way[1])
    assert everything(store) == before and holds(store, way[0]) == []


def migrate_until(folder: Path, way: tuple[str, str], limit: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(PROGRAM), str(folder), *way, str(limit)], capture_output=True, text=True, timeout=60)


@pytest.mark.slow
def test_a_kill_anywhere_is_gone_on_with(way, scratch, shelf):
    filled(scratch / "whole", way[0], shelf).close()
    whole = migrate_until(scratch / "whole", way, 0)
    assert whole.returncode == 0, whole.stderr
    total = int(whole.stdout)
    assert total > 60
    for number in range(POINTS):
        limit = 1 + number * total // POINTS
        folder = scratch / f"at-{limit}"
        made = filled(folder, way[0], shelf)
        before = everything(made)
        made.close()
        done = migrate_until(folder, way, limit)
        assert done.returncode == -signal.SIGKILL, done.stderr
        store = Store(folder, way[0], shelf)
        try:
            if number % 2:  # what anybody sees in between is whole
                assert everything(store) == before, f"killed at {limit}"
            store.system.migrate(to=way[1])
            assert everything(store) == before, f"killed at {limit}"
            assert holds(store, way[0]) == [], f"killed at {limit}"
            # folders of a driver that were half made or half removed are cleared when they are met, or by a repair
            assert set(store.kinds()) <= {"snapshot-left", "mount-orphaned"}, f"killed at {limit}"
            assert store.system.check(repair=True, max_age=0.0).remaining == (), f"killed at {limit}"
        except ConmanError as error:
            raise AssertionError(f"killed at {limit}: {error}") from error
        finally:
            store.close()


def test_who_holds_what(store, way):
    mine, = [one for one in store.system.storage() if one.name == way[0]]
    assert (mine.default, mine.images, mine.layers, mine.containers, mine.problem) == (True, 3, 5, 2, "") and mine.size > 0
    store.system.migrate(to=way[1])
    found = {one.name: one for one in store.system.storage()}
    assert (found[way[0]].layers, found[way[0]].containers, found[way[0]].size) == (0, 0, 0)
    assert (found[way[1]].images, found[way[1]].layers, found[way[1]].containers) == (3, 5, 2)
