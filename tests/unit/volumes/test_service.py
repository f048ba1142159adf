"""Create, find, list, remove, prune; what killed commands leave."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import AlreadyExists, InvalidInput, InvalidState, NotFound
from conman_kernel.volumes import places, rows
from conman_kernel.volumes.records import ANONYMOUS, NAMED, VolumeRecord


def test_create(volumes, scratch: Path) -> None:
    made = volumes.create("data", labels={"a": "b"}, options={"o": "uid=5,gid=6"})
    place = Path(made.mountpoint)
    assert place == scratch / "root/volumes/data/_data" and list(place.iterdir()) == []
    state = place.stat()
    assert (state.st_mode & 0o7777, state.st_uid, state.st_gid) == (0o755, 5, 6)
    assert place.parent.stat().st_mode & 0o7777 == 0o700
    assert (made.name, made.driver, made.labels, made.options, made.anonymous) == ("data", "local", {"a": "b"}, {"o": "uid=5,gid=6"}, False)
    assert made.used_by == () and volumes.get("data").created == made.created
    document = made.inspect()
    assert document["UID"] == 5 and document["GID"] == 6 and "NeedsChown" not in document and document["NeedsCopyUp"] is True


def test_a_name_is_made_up(volumes) -> None:
    name = volumes.create().name
    assert len(name) == 64 and int(name, 16) and volumes.exists(name) and not volumes.get(name).anonymous


def test_a_name_is_taken_once(volumes) -> None:
    first = volumes.create("data", labels={"a": "b"})
    with pytest.raises(AlreadyExists):
        volumes.create("data")
    again = volumes.create("data", labels={"c": "d"}, exist_ok=True)
    assert again.labels == {"a": "b"} and again.created == first.created


def test_nothing_is_left_of_what_is_refused(volumes, scratch: Path) -> None:
    with pytest.raises(InvalidInput):
        volumes.create("data", options={"bogus": "x"})
    with pytest.raises(InvalidInput):
        volumes.create("../x")
    assert volumes.list() == [] and not (scratch / "root/volumes").exists()


def test_found_by_a_beginning(volumes) -> None:
    volumes.create("abc")
    volumes.create("abd")
    assert volumes.get("abc").name == "abc"
    volumes.create("ab")
    assert volumes.get("ab").name == "ab" and not volumes.exists("a")
    with pytest.raises(NotFound, match="more than one"):
        volumes.get("a")
    with pytest.raises(NotFound, match='no volume with name ""'):
        volumes.get("")


def test_one_in_use_stays(volumes, use) -> None:
    data = volumes.create("data")
    one, two = use("exited", "data"), use("running", "data")
    assert data.used_by == (one, two)
    with pytest.raises(InvalidState, match=f"{one}, {two}: volume is being used") as caught:
        volumes.remove("data")
    assert caught.value.exit_code == 2 and os.path.isdir(data.mountpoint)
    assert volumes.prune().removed == ()


def test_removed_with_all_in_it(volumes, scratch: Path) -> None:
    place = Path(volumes.create("data").mountpoint)
    (place / "a/b").mkdir(parents=True)
    (place / "a/b/c").write_text("x")
    volumes.remove("data")
    assert list((scratch / "root/volumes").iterdir()) == []
    with pytest.raises(NotFound):
        volumes.remove("data")


def test_prune(volumes, use) -> None:
    for name, labels in (("a", {"keep": "1"}), ("b", {}), ("c", {})):
        Path(volumes.create(name, labels=labels).mountpoint, "x").write_bytes(b"x" * 8192)
    use("created", "c")
    with pytest.raises(InvalidInput, match='"dangling" is an invalid'):
        volumes.prune(filters={"dangling": ["true"]})
    report = volumes.prune(filters={"label!": ["keep"]})
    assert report.removed == ("b",) and report.reclaimed >= 8192
    assert volumes.prune().removed == ("a",) and [volume.name for volume in volumes.list()] == ["c"]


@pytest.mark.parametrize("filters, expected", [
    ({"dangling": ["true"]}, "ab"), ({"dangling": ["0"]}, "c"), ({"label": ["x"]}, "ab"), ({"label": ["x=1"]}, "a"),
    ({"label": ["x", "y"]}, "b"), ({"label!": ["x"]}, "c"), ({"name": ["^[ab]$"]}, "ab"), ({"name": ["a", "c"]}, "ac"),
    ({"driver": ["local"]}, "abc"), ({"driver": ["other"]}, ""), ({"opt": ["nocopy"]}, "c"), ({"scope": ["local"]}, "abc"),
    ({"until": ["1h"]}, ""), ({"until": ["2200-01-01"]}, "abc"), ({"since": ["a"]}, "bc"), ({"after": ["b"]}, "c"),
    ({"dangling": ["true"], "label": ["x=1"]}, "a"),
])
def test_filters(volumes, use, filters: dict[str, list[str]], expected: str) -> None:
    volumes.create("a", labels={"x": "1"})
    volumes.create("b", labels={"x": "2", "y": ""})
    volumes.create("c", options={"nocopy": ""})
    use("exited", "c")
    assert "".join(volume.name for volume in volumes.list(filters=filters)) == expected


@pytest.mark.parametrize("filters", [{"bogus": ["x"]}, {"dangling": ["maybe"]}, {"name": ["("]}, {"until": ["yesterday"]}])
def test_no_filters(volumes, filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidInput):
        volumes.list(filters=filters)


def test_what_another_of_that_name_left_is_never_shown(volumes, scratch: Path) -> None:
    """Killed after the row went and before the folder did."""
    old = Path(volumes.create("data").mountpoint)
    (old / "secret").write_text("x")
    with volumes.parts.database.write() as db:
        rows.delete(db, ["data"])
    assert places.leftovers(volumes.parts) == (str(old.parent),)
    assert list(Path(volumes.create("data").mountpoint).iterdir()) == []
    assert sorted(path.name for path in (scratch / "root/volumes").iterdir()) == ["data"]


def test_a_row_without_its_folder_is_made_whole(volumes) -> None:
    """Killed after the row was made and before the folder was."""
    with volumes.parts.database.write() as db:
        assert rows.insert(db, VolumeRecord("data", "local", 1.0, NAMED))
        assert not rows.insert(db, VolumeRecord("data", "local", 2.0, ANONYMOUS))
    volumes.create("data", exist_ok=True)
    assert os.path.isdir(volumes.get("data").mountpoint) and volumes.get("data").created == 1.0


def test_leftovers_are_cleared_by_the_next_removal(volumes, scratch: Path) -> None:
    home = scratch / "root/volumes"
    volumes.create("a")
    with places.acquire(volumes.parts, "busy", Cancel()):
        (home / "busy/_data").mkdir(parents=True)
        for name in (".new.0000002a", ".gone.0000002b", "orphan"):
            (home / name / "_data").mkdir(parents=True)
            (home / name / "_data/x").write_text("x")
        done = volumes.parts.locks.try_acquire((1 << 62) | 0x2A)
        assert done is not None
        with done:  # somebody is at work on that one
            volumes.remove("a")
            assert {os.path.basename(path) for path in places.leftovers(volumes.parts)} == {".new.0000002a", "busy"}
    volumes.prune()
    assert list(home.iterdir()) == []


def test_doomed_with_their_last_container(volumes, use) -> None:
    parts = volumes.parts
    with parts.database.write() as db:
        for name, kind in (("named", NAMED), ("own", ANONYMOUS), ("lent", ANONYMOUS)):
            rows.insert(db, VolumeRecord(name, "local", 1.0, kind))
    one = use("exited", "named", "own", "lent")
    two = use("exited", "lent")
    with parts.database.write() as db:
        rows.doom(db, one)
        assert rows.doomed_with(db, one) == ("own",)
        db.execute("DELETE FROM containers WHERE id = ?", (one,))
        rows.delete(db, ["own"])
        assert rows.users(db) == {"lent": (two,)}
        rows.doom(db, two)
        assert rows.doomed_with(db, two) == ("lent",)
    assert [volume.name for volume in volumes.list()] == ["lent", "named"]
