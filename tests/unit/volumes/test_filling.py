"""The first use: what is copied, with what, and what a kill between any two steps leaves."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.errors import Unavailable
from conman_kernel.volumes import filling, places
from conman_kernel.worker.client import Worker


@pytest.fixture
def image(scratch: Path) -> Path:
    """What an image has at a place: owners, modes, a hard link, a symlink, a FIFO, an attribute, a hole."""
    top = scratch / "image"
    (top / "sub").mkdir(parents=True)
    (top / "a").write_text("hello")
    os.link(top / "a", top / "b")
    (top / "link").symlink_to("/etc/passwd")
    os.mkfifo(top / "fifo", 0o640)
    with (top / "sparse").open("wb") as file:
        file.truncate(1 << 20)
    os.chown(top / "a", 5, 6)
    (top / "a").chmod(0o640)
    os.chown(top / "sub", 7, 8)
    (top / "sub").chmod(0o1777)
    os.setxattr(top / "a", "trusted.test", b"value")
    os.chown(top, 33, 44)
    top.chmod(0o2750)
    os.utime(top, ns=(10**18, 10**18))
    return top


def fill(parts, never, name: str, source: Path | None, *, copy: bool = True, uid: int = 5, gid: int = 6) -> Path:
    fd = os.open(source, os.O_RDONLY | os.O_DIRECTORY) if source is not None else -1
    try:
        with places.acquire(parts, name, never):
            record = places.ensure(parts, places.current(parts, name))
            filling.settle(parts, record, fd, copy=copy, uid=uid, gid=gid, cancel=never)
    finally:
        if fd >= 0:
            os.close(fd)
    return Path(places.data(parts, name))


def seen(place: Path) -> dict[str, tuple[int, int, int, int]]:
    return {str(path.relative_to(place)): (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid, path.lstat().st_mtime_ns)
            for path in [place, *place.rglob("*")]}


def test_everything_comes_along(volumes, parts, never, image: Path) -> None:
    volumes.create("data")
    place = fill(parts, never, "data", image)
    assert seen(place) == seen(image)
    assert (place / "a").read_text() == "hello" and (place / "a").stat().st_ino == (place / "b").stat().st_ino
    assert os.readlink(place / "link") == "/etc/passwd" and stat.S_ISFIFO((place / "fifo").stat().st_mode)
    assert os.getxattr(place / "a", "trusted.test") == b"value"
    assert (place / "sparse").stat().st_size == 1 << 20 and (place / "sparse").stat().st_blocks == 0
    record = places.current(parts, "data")
    assert not record.copy and not record.own
    assert os.listdir(place.parent) == ["_data"]


def test_only_once(volumes, parts, never, image: Path) -> None:
    volumes.create("data")
    place = fill(parts, never, "data", image)
    for entry in ("a", "b", "link", "fifo", "sparse"):
        (place / entry).unlink()
    (place / "sub").rmdir()
    os.chown(place, 1, 1)
    assert list(fill(parts, never, "data", image).iterdir()) == []
    assert place.stat().st_uid == 1


def test_what_is_there_already_stays(volumes, parts, never, image: Path) -> None:
    place = Path(volumes.create("data").mountpoint)
    (place / "mine").write_text("x")
    fill(parts, never, "data", image)
    assert [path.name for path in place.iterdir()] == ["mine"]


def test_an_empty_folder_gives_its_owner_and_mode(volumes, parts, never, scratch: Path, image: Path) -> None:
    empty = scratch / "empty"
    empty.mkdir(mode=0o700)
    empty.chmod(0o1777)
    os.chown(empty, 7, 8)
    volumes.create("data")
    place = fill(parts, never, "data", empty)
    assert (stat.S_IMODE(place.stat().st_mode), place.stat().st_uid, place.stat().st_gid) == (0o1777, 7, 8)
    fill(parts, never, "data", image)  # still empty: the first content that is found is copied, the owner stays
    assert (place / "a").exists() and place.stat().st_uid == 7


def test_no_folder_there(volumes, parts, never) -> None:
    volumes.create("data")
    place = fill(parts, never, "data", None, uid=5, gid=6)
    assert (place.stat().st_uid, place.stat().st_gid) == (5, 6)


@pytest.mark.parametrize("how", ["mount", "volume"])
def test_nocopy(volumes, parts, never, image: Path, how: str) -> None:
    volumes.create("data", options={"nocopy": ""} if how == "volume" else {})
    place = fill(parts, never, "data", image, copy=how != "mount")
    assert list(place.iterdir()) == [] and (place.stat().st_uid, place.stat().st_gid) == (33, 44)


def test_a_copy_that_fails_leaves_nothing(volumes, parts, never, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Worker, request: object) -> None:
        raise Unavailable("no space is left")

    volumes.create("data")
    monkeypatch.setattr(Worker, "copy", full)
    with pytest.raises(Unavailable, match="no space"):
        fill(parts, never, "data", image)
    place = Path(places.data(parts, "data"))
    assert list(place.iterdir()) == [] and os.listdir(place.parent) == ["_data"]
    monkeypatch.undo()
    assert seen(fill(parts, never, "data", image)) == seen(image)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_killed_while_it_is_moved(volumes, parts, never, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is in the folder by then: the next use has all of it, each once."""
    real = os.rename
    for after in range(8):
        name = f"v{after}"
        volumes.create(name)
        left = iter(range(after))

        def rename(*arguments: object, left: Iterator[int] = left, **more: object) -> None:
            if next(left, None) is None:
                raise Killed
            real(*arguments, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(os, "rename", rename)
        try:
            fill(parts, never, name, image)
        except Killed:
            pass
        monkeypatch.undo()
        place = fill(parts, never, name, image)
        assert {path.name for path in place.rglob("*")} == {path.name for path in image.rglob("*")}, after
        assert (place / "a").stat().st_ino == (place / "b").stat().st_ino and place.stat().st_uid == 33
        assert os.listdir(place.parent) == ["_data"]


def test_what_a_container_wrote_meanwhile_stays(volumes, parts, never, image: Path) -> None:
    volumes.create("data")
    place = Path(places.data(parts, "data"))
    ready = place.parent / ".conman-ready"
    ready.mkdir()
    (ready / "a").write_text("image")
    (ready / "c").write_text("image")
    (place / "a").write_text("mine")
    fill(parts, never, "data", None)
    assert (place / "a").read_text() == "mine" and (place / "c").read_text() == "image" and not ready.exists()
