"""A copy is the same tree: contents, holes, links, owners, modes, times, attributes, special files."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled
from conman_kernel.support.copying import copy_tree
from conman_kernel.testing.trees import differences

CAPABILITY = b"\x01\x00\x00\x02\x00\x20" + bytes(14)


@pytest.fixture
def source(folder):
    made = folder / "source"
    made.mkdir(mode=0o751)
    script = """mkdir -p a/b; echo hi > a/f; ln a/f a/b/g; ln -s x a/l; mkfifo a/p; mknod a/n c 1 3; : > a/empty
        truncate -s 5M a/hole; echo end >> a/hole; chown 5:6 a/b a/f; chmod 4751 a/f; chmod 2775 a/b; chmod 640 a/p
        chown -h 7 a/l; head -c 3000000 /dev/urandom > big"""
    subprocess.run(["sh", "-ec", script], cwd=made, check=True)
    os.setxattr(made / "a/f", "user.x", b"1")
    os.setxattr(made / "a", "user.d", b"2")
    os.setxattr(made / "big", "security.capability", CAPABILITY)
    for path in ("a/l", "a/f", "a/p", "a/b", "a", "."):
        os.utime(made / path, ns=(7, 1_234_567_890_123_456_789), follow_symlinks=False)
    return made


@pytest.fixture
def target(folder):
    made = folder / "target"
    made.mkdir()
    return made


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


def test_everything_is_copied(source, target):
    copy_tree(str(source), str(target), Cancel(60))
    assert differences(str(source), str(target)) == []
    assert (target / "a/hole").stat().st_blocks < 100
    assert (target / "a/f").stat().st_ino == (target / "a/b/g").stat().st_ino != (source / "a/f").stat().st_ino


def test_where_the_system_cannot_copy_by_itself_bytes_are_written(source, target, monkeypatch):
    def refuse(*arguments):
        raise OSError(38, "not here")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    copy_tree(str(source), str(target), Cancel(60))
    assert differences(str(source), str(target)) == []


def test_sockets_are_left_out_and_mounts_stay_empty(source, target):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(source / "s"))
    (source / "mnt").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", source / "mnt"], check=True)
    try:
        (source / "mnt/inside").write_text("x")
        copy_tree(str(source), str(target), Cancel(60))
    finally:
        subprocess.run(["umount", source / "mnt"], check=True)
    assert sorted(os.listdir(target)) == ["a", "big", "mnt"] and os.listdir(target / "mnt") == []


def test_an_attribute_that_the_target_does_not_know_is_left_out_but_a_capability_is_not(source, target, monkeypatch):
    real = os.setxattr

    def knows_no(unknown):
        def setxattr(path, name, value, **more):
            if name == unknown:
                raise OSError(95, "not supported")
            real(path, name, value, **more)

        return setxattr

    monkeypatch.setattr(os, "setxattr", knows_no("user.x"))
    copy_tree(str(source), str(target), Cancel(60))
    assert os.listxattr(target / "a/f") == [] and os.listxattr(target / "a") == ["user.d"]
    monkeypatch.setattr(os, "setxattr", knows_no("security.capability"))
    (target.parent / "second").mkdir()
    with pytest.raises(OSError, match="not supported"):
        copy_tree(str(source), str(target.parent / "second"), Cancel(60))


def test_a_cancelled_copy_stops(source, target, monkeypatch):
    cancel = Cancel(60)
    real = os.copy_file_range

    def copy_file_range(source, target, count, start, to):
        cancel.cancel()
        return real(source, target, 4096, start, to)

    monkeypatch.setattr(os, "copy_file_range", copy_file_range)
    with pytest.raises(Cancelled):
        copy_tree(str(source), str(target), cancel)
    assert sum(file.lstat().st_blocks for file in target.rglob("*")) * 512 < 100_000


def test_a_link_in_the_way_is_not_followed(source, folder):
    (folder / "elsewhere").mkdir()
    os.symlink("elsewhere", folder / "target")
    with pytest.raises(OSError):
        copy_tree(str(source), str(folder / "target"), Cancel(60))
    assert os.listdir(folder / "elsewhere") == []


def test_a_tree_deeper_than_any_path(source, target):
    """A container nests folders by descriptors; a path of its bottom fits no system call. Hard links down there, too."""
    fd = os.open(source, os.O_RDONLY)
    for _ in range(100):
        os.mkdir("é" * 30, dir_fd=fd)
        inner = os.open("é" * 30, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.link("bottom", "same", src_dir_fd=fd, dst_dir_fd=fd)
    os.close(fd)
    copy_tree(str(source), str(target), Cancel(60))
    fd = os.open(target, os.O_RDONLY)
    for _ in range(100):
        inner = os.open("é" * 30, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    assert sorted(os.listdir(fd)) == ["bottom", "same"] and os.stat("same", dir_fd=fd).st_nlink == 2
    os.close(fd)
