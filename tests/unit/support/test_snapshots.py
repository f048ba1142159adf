"""A driver made of FolderDriver and a form of ten lines keeps the slot's promises. The stock drivers are tested on mounts,
and killed at every step, in tests/integration/storage."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, Cancelled, InvalidState, NotFound, Unavailable
from conman_kernel.slots.storage import CommitRequest, KeyRequest, Mount, PrepareRequest, StorageDriver, Usage, Whiteouts
from conman_kernel.support import trees
from conman_kernel.support.snapshot_form import Form
from conman_kernel.support.snapshot_records import Meta, Place, Records, empty_tree, short
from conman_kernel.support.snapshots import FolderDriver

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


class Plain:
    """Keeps what it was asked."""

    whiteouts = Whiteouts.APPLIED

    def __init__(self, *, independent: bool = False) -> None:
        self.independent_layers = independent
        self.filled: list[Place] = []
        self.sealed: list[Place] = []
        self.removed: list[str] = []
        self.failure: Exception | None = None

    def fill(self, place: Place, cancel: Cancel) -> None:
        assert (os.stat(place.folder).st_mode & 0o7777, os.listdir(place.folder)) == (0o700, [])
        empty_tree(place.tree)
        state = os.stat(place.tree)
        assert (state.st_mode & 0o7777, state.st_mtime, os.listdir(place.tree)) == (0o755, 0, [])
        self.filled.append(place)
        if self.failure is not None:
            raise self.failure

    def seal(self, place: Place) -> None:
        assert os.path.isdir(place.tree)
        self.sealed.append(place)

    def mounts(self, place: Place) -> tuple[Mount, ...]:
        assert place.lower is not None
        return tuple(Mount("bind", path, ("ro" if place.view else "rw",)) for path in (place.tree, *place.lower))

    def remove(self, folder: str) -> None:
        self.removed.append(folder)
        trees.remove(folder)

    def usage(self, place: Place) -> Usage:
        return trees.usage(place.tree)


class Made:
    """A driver and its form; ``call("prepare", key, parent)``."""

    def __init__(self, state: Path, **options: bool) -> None:
        self.form = Plain(**options)
        checked: Form = self.form
        self.state = str(state)
        self.driver: StorageDriver = FolderDriver(checked, self.state, sync=False)

    def prepare(self, key: str, parent: str | None = None) -> str | None:
        return self.driver.prepare(PrepareRequest(key, parent, Cancel(5))).layer_path

    def layer(self, name: str, parent: str | None = None) -> None:
        self.prepare("unpack", parent)
        self.driver.commit(CommitRequest("unpack", name, Cancel(5)))

    def sources(self, key: str) -> list[str]:
        return [mount.source for mount in self.driver.mounts(KeyRequest(key, Cancel(5)))]

    def remove(self, key: str) -> None:
        self.driver.remove(KeyRequest(key, Cancel(5)))

    def names(self) -> set[str]:
        return {info.name for info in self.driver.walk(Cancel(5))}


@pytest.fixture
def made(folder):
    return Made(folder / "state")


def test_a_form_is_told_what_lies_below(made):
    for name, parent in ((A, None), (B, A), (C, B)):
        made.layer(name, parent)
    tree = made.prepare("k", C)
    trees = [f"{made.state}/s/c{short(name)}/fs" for name in (C, B, A)]
    assert [place.lower for place in made.form.filled] == [(), (trees[2],), (trees[1], trees[2]), tuple(trees)]
    assert [place.parent for place in made.form.sealed] == [None, A, B]
    assert made.sources("k") == [tree, *trees] and all(map(os.path.isdir, trees))
    made.driver.view(PrepareRequest("v", C, Cancel(5)))
    assert len(made.form.filled) == 4 and made.sources("v")[1:] == trees
    made.driver.view(PrepareRequest("v0", None, Cancel(5)))
    assert made.form.filled[-1].view and made.sources("v0") == [made.form.filled[-1].tree]
    assert made.names() == {A, B, C, "k", "v", "v0"}


def test_independent_layers_need_their_parents_at_the_end(folder):
    made = Made(folder / "state", independent=True)
    made.prepare("two", B)
    made.prepare("one", A)
    assert [place.lower for place in made.form.filled] == [None, None]
    for call in (lambda: made.sources("two"), lambda: made.driver.commit(CommitRequest("two", C, Cancel(5))),
                 lambda: made.driver.view(PrepareRequest("v", B, Cancel(5)))):
        with pytest.raises(NotFound, match="is not committed"):
            call()
    made.layer(A)
    made.driver.commit(CommitRequest("one", B, Cancel(5)))
    assert len(made.sources("two")) == 3
    made.driver.commit(CommitRequest("two", C, Cancel(5)))
    assert [len(place.lower or ()) for place in made.form.sealed] == [0, 1, 2]


def test_dependent_layers_need_them_at_once(made):
    with pytest.raises(NotFound, match="is not committed"):
        made.prepare("k", A)
    assert made.names() == set() and made.form.filled == []


@pytest.mark.parametrize("failure, error", [(OSError(28, "No space left on device"), Unavailable), (Cancelled("x"), Cancelled)])
def test_a_form_that_fails_leaves_nothing_that_is_reported(made, failure, error):
    made.form.failure = failure
    with pytest.raises(error, match=r"preparing snapshot k: no space left|^x$"):
        made.prepare("k")
    assert made.names() == set()
    made.form.failure = None
    made.prepare("k")
    assert made.names() == {"k"}
    made.remove("k")
    made.remove("k")
    assert os.listdir(f"{made.state}/s") == []


def test_parents_stay_beneath_their_children(made):
    made.layer(A)
    made.layer(B, A)
    with pytest.raises(InvalidState, match="parent"):
        made.remove(A)
    made.remove(B)
    made.remove(A)
    assert os.listdir(f"{made.state}/s") == [] == os.listdir(f"{made.state}/trash")


@pytest.mark.parametrize("name", [A, "never"])
def test_what_a_killed_process_left_in_the_trash_is_cleared(made, name):
    made.layer(A)
    os.makedirs(f"{made.state}/trash/cold/fs")
    made.remove(name)
    assert os.listdir(f"{made.state}/trash") == []


def test_a_damaged_record_is_said(made):
    made.prepare("k")
    for text in ("{", "[]", '{"key": "k"}'):
        Path(f"{made.state}/s/a{short('k')}/meta").write_text(text)
        with pytest.raises(Unavailable, match="cannot read the record"):
            made.sources("k")


def test_records_without_a_chain_are_understood(made):
    """A driver may have written its records before it came to FolderDriver: then the chain is looked up."""
    records = Records(made.state)
    made.layer(A)
    made.layer(B, A)
    made.prepare("k", B)
    for path in (records.committed(A), records.committed(B), records.active("k")):
        meta = records.read(path)
        assert meta is not None
        old = {name: value for name, value in meta._asdict().items() if name != "chain"}
        Path(path, "meta").write_text(json.dumps(old))
    assert made.sources("k")[1] == f"{records.committed(B)}/fs"


def test_a_name_is_given_once(folder):
    records = Records(str(folder / "state"))
    for key in ("one", "two"):
        place = records.start(key)
        records.write(place, Meta(key, "", None, False, 1.0))
    records.publish(records.active("one"), Meta("one", A, None, False, 1.0))
    with pytest.raises(AlreadyExists):
        records.publish(records.active("two"), Meta("two", A, None, False, 1.0))
    for taken in ("two", A):
        with pytest.raises(AlreadyExists):
            records.start(taken)
    assert [meta.key for _, meta in records.all()].count("two") == 1 and records.find("two")[1].name == ""


def test_short_ids_do_not_collide_and_keep_digests_readable():
    digest = "sha256:" + "0123456789abcdef" * 4
    assert short(digest) == "0123456789abcdef0123" == short(digest[7:])
    assert short("a") != short("b") and len(short("a key/with: anything")) == 20
