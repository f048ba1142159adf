"""Trees are removed and counted at any depth, beside others, and never through a symlink or a mount."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import threading

import pytest

from conman_kernel.support import trees


def deep(top, levels: int, name: str = "d", beside=None) -> None:
    """A chain of folders, each with a file, and a symlink to ``beside``."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)
        os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=here))
        if beside is not None:
            os.symlink(beside, "s", dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def test_removal_goes_to_any_depth_and_through_no_symlink(folder):
    (folder / "kept").mkdir()
    (folder / "kept/file").write_text("x")
    (folder / "tree").mkdir()
    deep(folder / "tree", 5000, beside=folder / "kept")
    trees.remove(str(folder / "tree"))
    assert os.listdir(folder) == ["kept"] and (folder / "kept/file").read_text() == "x"


def test_what_was_removed_is_told_and_nothing_there_is_no_error(folder):
    parent = os.open(folder, os.O_RDONLY)
    try:
        os.mkdir("d", dir_fd=parent)
        os.symlink("d", "s", dir_fd=parent)
        os.mkfifo("p", dir_fd=parent)
        assert [trees.remove_entry(parent, name) for name in ("s", b"p", "d", "d")] == [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, 0]
    finally:
        os.close(parent)
    trees.remove(str(folder / "none"))
    trees.remove(str(folder / "none/deeper"))
    assert os.listdir(folder) == []


def test_a_folder_that_vanishes_meanwhile_does_not_end_the_removal(folder, monkeypatch):
    for name in ("a", "b", "c"):
        (folder / "tree" / name).mkdir(parents=True)
    real = os.open

    def vanish(path, flags, *more, dir_fd=None):
        if path == "b":
            os.rmdir(path, dir_fd=dir_fd)
        return real(path, flags, *more, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", vanish)
    trees.remove(str(folder / "tree"))
    assert os.listdir(folder) == []


def test_several_remove_one_tree_at_the_same_time(folder):
    failures: list[BaseException] = []
    for _ in range(5):
        (folder / "tree").mkdir()
        for branch in range(30):
            (folder / "tree" / f"b{branch}").mkdir()
            deep(folder / "tree" / f"b{branch}", 10)
        ready = threading.Barrier(4)

        def one(ready=ready):
            ready.wait()
            try:
                trees.remove(str(folder / "tree"))
            except BaseException as error:
                failures.append(error)
                raise

        threads = [threading.Thread(target=one) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == [] and not (folder / "tree").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_a_mount_is_neither_emptied_nor_counted(folder):
    (folder / "tree/mnt").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder / "tree/mnt"], check=True)
    try:
        (folder / "tree/mnt/precious").write_text("x" * 10_000)
        assert trees.usage(str(folder / "tree")) == (0, 1)
        with pytest.raises(OSError) as caught:
            trees.remove(str(folder / "tree"))
        assert caught.value.errno == errno.EXDEV and (folder / "tree/mnt/precious").exists()
    finally:
        subprocess.run(["umount", folder / "tree/mnt"], check=True)


def test_usage_counts_inodes_once_and_blocks(folder):
    (folder / "t/a").mkdir(parents=True)
    (folder / "t/f").write_bytes(bytes(100_000))
    os.link(folder / "t/f", folder / "t/a/g")
    os.symlink("x", folder / "t/l")
    with open(folder / "t/hole", "wb") as file:
        file.truncate(1 << 30)
    found = trees.usage(str(folder / "t"))
    assert found.inodes == 5 and 100_000 <= found.size < 200_000


def test_usage_goes_deeper_than_a_path_can_tell(folder):
    (folder / "t").mkdir()
    deep(folder / "t", 60, "n" * 200)
    assert trees.usage(str(folder / "t")).inodes == 121
    (folder / "u").mkdir()
    deep(folder / "u", 30, "ü" * 127)
    assert trees.usage(str(folder / "u")).inodes == 61


def test_usage_of_a_tree_that_is_being_removed(folder):
    (folder / "t").mkdir()
    for branch in range(100):
        (folder / "t" / f"b{branch}").mkdir()
        deep(folder / "t" / f"b{branch}", 5)
    counts: list[int] = []

    def count() -> None:
        with pytest.raises(FileNotFoundError):
            while True:
                counts.append(trees.usage(str(folder / "t")).inodes)

    thread = threading.Thread(target=count)
    thread.start()
    trees.remove(str(folder / "t"))
    thread.join()
    assert all(1 <= counted <= 1101 for counted in counts)
