"""Subvolumes made, measured and removed on a real btrfs, by ioctls alone."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import subprocess
from pathlib import Path

import pytest

from conman_btrfs_storage import ioctls
from conman_btrfs_storage.form import BtrfsForm
from conman_btrfs_storage.removal import remove_subvolumes
from conman_kernel.cancel import Cancel
from conman_kernel.support.snapshot_records import Place

MIB = 1 << 20


@pytest.fixture(autouse=True)
def without_progs(monkeypatch):
    """What is tested works on a host that has no btrfs-progs."""
    real = subprocess.run

    def refuse(argv, **more):
        assert "btrfs" not in str(argv[0]) or "mkfs" in str(argv[0])
        return real(argv, **more)

    monkeypatch.setattr(subprocess, "run", refuse)


class Made:
    """A form, and where its snapshots lie."""

    def __init__(self, disk: Path) -> None:
        self.form = BtrfsForm()
        self.disk = disk

    def place(self, name: str, parent: Place | None = None) -> Place:
        folder = self.disk / name
        folder.mkdir()
        place = Place(str(folder), f"{folder}/fs", False, parent and "p", (parent.tree,) if parent else ())
        self.form.fill(place, Cancel(60))
        return place


@pytest.fixture
def made(disk):
    return Made(disk)


def write(path: str, count: int) -> None:
    with open(path, "wb") as file:
        file.write(os.urandom(count))


def test_a_first_tree_is_an_empty_folder_of_the_epoch(made):
    state = os.stat(made.place("one").tree)
    assert (stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid, state.st_mtime) == (0o755, 0, 0, 0)
    assert ioctls.is_subvolume(state)


def test_a_child_shares_its_parents_blocks_and_keeps_everything(made):
    parent = made.place("one")
    write(f"{parent.tree}/big", 8 * MIB)
    os.link(f"{parent.tree}/big", f"{parent.tree}/same")
    os.setxattr(f"{parent.tree}/big", "user.note", b"kept")
    os.mknod(f"{parent.tree}/null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.chmod(parent.tree, 0o711)
    assert made.form.usage(parent).size == 8 * MIB and made.form.usage(parent).inodes == 3
    child = made.place("two", parent)
    assert os.stat(child.tree).st_mode & 0o7777 == 0o711
    assert os.path.samefile(f"{child.tree}/big", f"{child.tree}/same") and os.getxattr(f"{child.tree}/same", "user.note") == b"kept"
    assert os.stat(f"{child.tree}/null").st_rdev == os.makedev(1, 3)
    assert made.form.usage(child).size == 0 and made.form.usage(child).inodes == 1
    write(f"{child.tree}/own", 2 * MIB)
    with open(f"{child.tree}/big", "r+b") as file:
        file.write(bytes(MIB))
    usage = made.form.usage(child)
    assert usage.size == 3 * MIB and usage.inodes == 3
    assert made.form.usage(parent).size == 8 * MIB


def test_clones_are_counted_once(made):
    place = made.place("one")
    write(f"{place.tree}/a", 4 * MIB)
    with open(f"{place.tree}/a", "rb") as source, open(f"{place.tree}/b", "wb") as target:
        fcntl.ioctl(target, 0x40049409, source.fileno())
    assert made.form.usage(place).size == 4 * MIB and made.form.usage(place).inodes == 3


def test_a_kernel_that_does_not_tell_when_a_snapshot_was_made(made, monkeypatch):
    """Before Linux 4.18: everything counts, shared or not."""
    def unknown(folder):
        raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))

    parent = made.place("one")
    write(f"{parent.tree}/a", MIB)
    child = made.place("two", parent)
    os.sync()  # blocks that wait in memory have no place yet
    monkeypatch.setattr(ioctls, "born", unknown)
    assert made.form.usage(child).size >= MIB and made.form.usage(child).inodes == 2


def test_subvolumes_inside_of_a_tree_go_with_it(made):
    place = made.place("one")
    os.makedirs(f"{place.tree}/a/b")
    for where, name in ((place.tree, "top"), (f"{place.tree}/a/b", "deep"), (f"{place.tree}/a/b/deep", "deeper")):
        fd = os.open(where, os.O_RDONLY)
        ioctls.create(fd, name)
        os.close(fd)
        write(f"{where}/{name}/file", 1000)
    other = made.place("two", place)
    assert os.listdir(f"{other.tree}/top") == []
    made.form.remove(place.folder)
    made.form.remove(place.folder)
    assert sorted(os.listdir(made.disk)) == ["two"]
    made.form.remove(other.folder)
    assert os.listdir(made.disk) == []


def test_what_looks_like_a_subvolume_and_lies_behind_a_symlink_is_left_alone(made):
    inner, outer = made.place("inner"), made.place("outer")
    write(f"{inner.tree}/file", 10)
    os.symlink(inner.tree, f"{outer.tree}/link")
    fd = os.open(outer.tree, os.O_RDONLY)
    ioctls.create(fd, "own")
    os.close(fd)
    made.form.remove(outer.folder)
    assert os.path.exists(f"{inner.tree}/file") and os.listdir(made.disk) == ["inner"]


def test_many_folders_deep_and_few_descriptors(made):
    place = made.place("one")
    deep = place.tree
    for _ in range(60):
        deep += "/" + "d" * 50
        os.mkdir(deep)
    fd = os.open(deep, os.O_RDONLY)
    ioctls.create(fd, "sub")
    os.close(fd)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    try:
        made.form.remove(place.folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir(made.disk) == []


def test_nothing_there_is_no_error(disk):
    remove_subvolumes(str(disk / "never"))


def test_a_full_disk_is_said_and_leaves_what_can_be_removed(made):
    place = made.place("one")
    with pytest.raises(OSError) as caught, open(f"{place.tree}/fill", "wb", buffering=0) as file:
        while True:
            file.write(os.urandom(MIB))
    assert caught.value.errno == errno.ENOSPC
    made.form.remove(place.folder)
    assert os.listdir(made.disk) == []
