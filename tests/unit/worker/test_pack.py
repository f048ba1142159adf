"""A layer's tar of a folder: what is in it, in which order, and that it unpacks to what it was made of."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import zlib

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidInput, InvalidState, Unavailable
from conman_kernel.slots.storage import Whiteouts
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import PackRequest
from conman_kernel.worker.tar_header import entry_header

from .trees import picture

FORMS = [Whiteouts.OVERLAY, Whiteouts.APPLIED]


def names(path) -> list[str]:
    with tarfile.open(path, encoding="utf-8", errors="surrogateescape") as archive:
        return [info.name + "/" * info.isdir() for info in archive]


def copy(source, target):
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


def stamp(root, when: int = 1_600_000_000_000_000_000) -> None:
    for path in [root, *root.rglob("*")]:
        os.utime(path, ns=(when, when), follow_symlinks=False)


def furnish(root) -> None:
    """One of everything that a layer holds."""
    for name in ("a/b", "gone/in", "again/in", "e", os.fsdecode(b"raw\xff"), "n" * 150 + "/" + "m" * 150):
        (root / name).mkdir(parents=True)
    for name in ("a/b/file", "a/one", "gone/in/x", "again/in/x", "again/y", "e/ü", "n" * 150 + "/" + "m" * 150 + "/" + "o" * 200):
        (root / name).write_text(name)
    (root / "two").hardlink_to(root / "a/one")
    (root / "sym").symlink_to("/etc/passwd")
    (root / "long").symlink_to("x" * 120 + "/" + "y" * 120)
    os.mkfifo(root / "fifo", 0o600)
    os.mknod(root / "null", 0o020666, os.makedev(1, 3))
    os.mknod(root / "disk", 0o060640, os.makedev(8, 300000))
    os.chown(root / "e", 3_000_000, 2_500_000)
    (root / "suid").write_bytes(b"#!")
    os.chown(root / "suid", 5, 6)
    (root / "suid").chmod(0o6755)
    (root / "e").chmod(0o1777)
    os.setxattr(root / "suid", "user.a", b"\0\xffbinary\n=")
    os.setxattr(root / "e", "trusted.b", b"2")
    os.setxattr(root / "suid", "security.capability", b"\x01\x00\x00\x02\x00\x20" + bytes(14))
    for index, path in enumerate(sorted(root.rglob("*"))):
        when = (1_500_000_000 + index) * 1_000_000_000 + index * 1_000_001
        os.utime(path, ns=(when, when), follow_symlinks=False)
    os.utime(root / "fifo", ns=(-5_500_000_000, -5_500_000_000))
    os.utime(root / "null", ns=(1 << 62, 1 << 62))


def change(root) -> None:
    """One of every change."""
    shutil.rmtree(root / "gone")
    shutil.rmtree(root / "again")
    (root / "again").mkdir()
    (root / "again/new").write_text("n")
    (root / "a/b/file").write_text("changed")
    (root / "a/three").hardlink_to(root / "two")
    (root / "sym").unlink()
    (root / "sym").mkdir()
    (root / "sym/in").write_text("x")
    (root / "long").unlink()
    (root / "e/ü").unlink()
    (root / "e").rmdir()
    (root / "e").symlink_to("a")
    (root / "suid").chmod(0o755)
    os.setxattr(root / "a/b", "user.new", b"1")


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_a_whole_tree_comes_back(trees, compression):
    root, back = trees.make("root"), trees.make("back")
    furnish(root)
    made = trees.pack(root, compression=compression)
    blob = trees.blob.read_bytes()
    assert made.digest == "sha256:" + hashlib.sha256(blob).hexdigest() and made.size == len(blob)
    read = trees.unpack(back, base=True)
    assert (read.diff_id, read.size, read.entries) == (made.diff_id, made.tar_size, made.entries)
    assert picture(back) == picture(root)
    assert trees.changes(back, root) == []


@pytest.mark.parametrize("form", FORMS)
def test_changes_come_back(trees, overlay, form):
    lower = trees.make("lower")
    furnish(lower)
    merged, upper = overlay(lower)
    change(merged)
    made = trees.pack(upper if form is Whiteouts.OVERLAY else merged, lower, form=form)
    assert made.entries == len(names(trees.blob))
    back = copy(lower, trees.folder / "back")
    trees.unpack(back)
    assert picture(back) == picture(merged)
    assert not any(name.startswith("n" * 150) for name in names(trees.blob)), "what is the same was written"


def test_the_layer_of_overlayfs_comes_back_as_one(trees, overlay):
    lower = trees.make("lower")
    furnish(lower)
    merged, upper = overlay(lower)
    change(merged)
    trees.pack(upper, lower, form=Whiteouts.OVERLAY)
    alone = trees.make("alone")
    assert not trees.unpack(alone, alone=True).needs_parent
    again, _ = overlay(f"{alone}:{lower}")
    assert picture(again) == picture(merged)


def test_the_order_is_that_of_bytes_with_parents_first(trees):
    root = trees.make("root")
    for name in ("b", "a", "a.x", "a/z", "a/B", "\u00fc", "Z"):
        path = root / name
        path.mkdir() if name == "a" else path.write_text("") if path.parent.is_dir() else None
    trees.pack(root)
    assert names(trees.blob) == ["Z", "a/", "a/B", "a/z", "a.x", "b", "\u00fc"]


def test_the_same_tree_gives_the_same_bytes(trees):
    one, other = trees.make("one"), trees.make("other")
    for root, order in ((one, "abc"), (other, "cba")):
        for name in order:
            (root / name).write_text(name)
        stamp(root)
    first = trees.pack(one, compression="gzip")
    assert trees.blob.read_bytes()[4:8] == bytes(4), "a time in the gzip header"
    assert trees.pack(other, compression="gzip") == first


def test_both_forms_give_the_same_tar(trees, overlay):
    lower = trees.make("lower")
    for name in ("d", "e"):
        (lower / name).mkdir()
        (lower / name / "f").write_text(name)
    merged, upper = overlay(lower)
    (merged / "d/f").unlink()
    (merged / "d/g").write_text("1")
    (merged / "e/f").write_text("changed")
    assert trees.pack(upper, lower, form=Whiteouts.OVERLAY) == trees.pack(merged, lower)
    assert names(trees.blob) == ["d/", "d/.wh.f", "d/g", "e/", "e/f"]


def test_opaque_folders(trees, overlay):
    lower = trees.make("lower")
    (lower / "old/in").mkdir(parents=True)
    (lower / "file").write_text("x")
    merged, upper = overlay(lower)
    shutil.rmtree(merged / "old")
    (merged / "old/new").mkdir(parents=True)
    (merged / "file").unlink()
    (merged / "file").mkdir()
    trees.pack(upper, lower, form=Whiteouts.OVERLAY)
    assert names(trees.blob) == ["file/", "old/", "old/.wh..wh..opq", "old/new/"]


def test_nothing_differs(trees):
    root = trees.make("root")
    furnish(root)
    made = trees.pack(root, copy(root, trees.folder / "same"))
    assert made.entries == 0 and trees.blob.read_bytes() == bytes(1024)


def test_a_file_of_the_same_size_and_whole_seconds_is_read(trees):
    lower = trees.make("lower")
    (lower / "f").write_text("one")
    stamp(lower)
    upper = copy(lower, trees.folder / "upper")
    assert trees.pack(upper, lower).entries == 0
    (upper / "f").write_text("two")
    stamp(upper)
    trees.pack(upper, lower)
    assert names(trees.blob) == ["f"]


def test_a_moved_link_stays_one(trees):
    lower = trees.make("lower")
    (lower / "a").write_text("x")
    (lower / "b").hardlink_to(lower / "a")
    (lower / "other").write_text("o")
    (lower / "other2").hardlink_to(lower / "other")
    upper, back = copy(lower, trees.folder / "upper"), copy(lower, trees.folder / "back")
    (upper / "b").rename(upper / "c")
    trees.pack(upper, lower)
    assert names(trees.blob) == ["a", ".wh.b", "c"]
    trees.unpack(back)
    assert picture(back) == picture(upper)


def test_links_that_were_exchanged(trees):
    lower, upper = trees.make("lower"), trees.make("upper")
    for root, pairs in ((lower, (("a", "b"), ("c", "d"))), (upper, (("a", "c"), ("b", "d")))):
        for first, second in pairs:
            (root / first).write_text("same")
            (root / second).hardlink_to(root / first)
        stamp(root)
    back = copy(lower, trees.folder / "back")
    trees.pack(upper, lower)
    trees.unpack(back)
    assert picture(back) == picture(upper)


def test_sockets_are_left_out_and_hide_nothing(trees, overlay):
    lower = trees.make("lower")
    (lower / "s").write_text("file")
    merged, upper = overlay(lower)
    (merged / "s").unlink()
    for name in ("s", "t"):
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(merged / name))
    for root, form in ((upper, Whiteouts.OVERLAY), (merged, Whiteouts.APPLIED)):
        assert trees.pack(root, lower, form=form).skipped == 2
        assert names(trees.blob) == [".wh.s"]


def test_the_root_is_written_where_it_differs(trees):
    lower, upper = trees.make("lower"), trees.make("upper")
    assert trees.pack(upper, lower).entries == 0
    upper.chmod(0o700)
    trees.pack(upper, lower)
    assert names(trees.blob) == ["./"]
    back = copy(lower, trees.folder / "back")
    trees.unpack(back)
    assert back.stat().st_mode & 0o777 == 0o700
    assert trees.pack(upper).entries == 1 and trees.pack(lower).entries == 0


def test_what_is_excluded_is_neither_written_nor_deleted(trees):
    lower, upper = trees.make("lower"), trees.make("upper")
    for root, value in ((lower, "1"), (upper, "22")):
        for name in ("proc/x", "run/keep", "etc/hosts", "etc/other"):
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(value)
    (lower / "proc/gone").write_text("")
    (lower / "dev").mkdir()
    trees.pack(upper, lower, exclude=("/proc", "run/", "/etc/hosts", "dev"))
    assert names(trees.blob) == ["etc/", "etc/other", "run/", "run/keep"]
    assert trees.changes(upper, lower, exclude=("/proc", "/run/", "/etc/hosts", "dev")) == ["C /etc", "C /etc/other", "C /run/keep"]


def test_names_and_devices_that_mean_deletions(trees):
    root = trees.make("root")
    os.mknod(root / "c", 0o020600, os.makedev(0, 0))
    (root / ".wh.x").write_text("x")
    with pytest.raises(InvalidInput, match="reserved for whiteouts"):
        trees.pack(root)
    trees.pack(root, plain=True)
    assert names(trees.blob) == [".wh.x", "c"]
    (root / ".wh.x").unlink()
    assert trees.pack(root).entries == 0


@pytest.mark.parametrize("options", ["redirect_dir=on,metacopy=off", "redirect_dir=on,metacopy=on"])
def test_parts_of_other_layers_are_said_before_anything_is_written(trees, overlay, options):
    lower = trees.make("lower")
    (lower / "d/in").mkdir(parents=True)
    (lower / "f").write_text("data")
    merged, upper = overlay(lower, "index=off," + options)
    if "metacopy=on" in options:
        (merged / "f").chmod(0o600)
    else:
        (merged / "d").rename(merged / "moved")
    with pytest.raises(InvalidState, match="another layer"):
        trees.pack(upper, lower, form=Whiteouts.OVERLAY)
    assert trees.blob.read_bytes() == b""
    trees.pack(merged, lower)
    back = copy(lower, trees.folder / "back")
    trees.unpack(back)
    assert picture(back) == picture(merged)


def test_nobody_reads_the_pipe(trees):
    root = trees.make("root")
    (root / "big").write_bytes(os.urandom(20_000_000))
    reader, writer = os.pipe()
    os.close(reader)
    fd = os.open(root, os.O_RDONLY)
    try:
        with pytest.raises(Unavailable, match="writing the layer: broken pipe"):
            Worker().pack(PackRequest(fd, None, Whiteouts.APPLIED, writer, Cancel(60), "none"))
    finally:
        os.close(fd)
        os.close(writer)


def test_an_unknown_compression(trees):
    with pytest.raises(InvalidInput, match="bzip2"):
        trees.pack(trees.make("root"), compression="bzip2")


def test_numbers_that_ustar_cannot_say():
    size, mtime = (8 << 30) + 5, (1 << 40) * 1_000_000_000 + 1
    header = entry_header(b"huge", b"0", mode=0o644, uid=3_000_000, gid=4_294_967_294, size=size, mtime=mtime)
    with tarfile.open(fileobj=io.BytesIO(header)) as archive:
        info = archive.next()
    assert info is not None and (info.size, info.uid, info.gid, info.name) == (size, 3_000_000, 4_294_967_294, "huge")
    assert info.pax_headers["mtime"] == "1099511627776.000000001"


@pytest.mark.parametrize("length", [99, 100, 101, 156, 157, 255, 256, 257, 989, 990, 9989])
@pytest.mark.parametrize("slash", [False, True])
def test_names_of_every_length(length, slash):
    name = (b"d" * 60 + b"/") * (length // 61 + 1) if slash else b"n" * length
    name = name[:length].rstrip(b"/").ljust(length, b"n")
    header = entry_header(name, b"2", mode=0o777, uid=0, gid=0, link=name[::-1])
    assert len(header) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(header)) as archive:
        info = archive.next()
    assert info is not None and info.name == name.decode() and info.linkname == name[::-1].decode()


def test_gzip_is_read_by_zlib(trees):
    root = trees.make("root")
    (root / "f").write_bytes(b"abc" * 100_000)
    made = trees.pack(root, compression="gzip")
    plain = zlib.decompress(trees.blob.read_bytes(), 31)
    assert "sha256:" + hashlib.sha256(plain).hexdigest() == made.diff_id
