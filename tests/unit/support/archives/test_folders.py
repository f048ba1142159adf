"""Folders that are filled, and bytes that go through a file without a name."""

from __future__ import annotations

import gzip
import os

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.errors import DigestMismatch, InvalidInput, Unavailable
from conman_kernel.oci.digest import digest_of
from conman_kernel.support.archives.filling import Filling
from conman_kernel.support.archives.folders import Folder
from conman_kernel.support.archives.inflating import inflated
from conman_kernel.support.archives.opened import Archives
from conman_kernel.support.archives.spool import Spool, spooled
from conman_kernel.support.archives.standard import stream_number
from conman_kernel.support.archives.streams import FileStream, counted, small

CANCEL = Cancel()


def test_files_appear_whole_and_go_again(tmp_path):
    filling = Filling(str(tmp_path / "a/b"))
    filling.put(("x", "y", "z"), (b"1", b"2"), CANCEL)
    assert (tmp_path / "a/b/x/y/z").read_bytes() == b"12"
    assert filling.holds(("x", "y", "z"), digest_of(b"12"), 2, CANCEL) and not filling.holds(("x", "y", "z"), digest_of(b"13"), 2, CANCEL)
    with pytest.raises(DigestMismatch):
        filling.put(("x", "w"), counted(iter([b"12"]), 3, "w", lambda count: None), CANCEL)
    assert os.listdir(tmp_path / "a/b/x") == ["y"]
    filling.close()
    assert list(tmp_path.iterdir()) == []


def test_what_is_kept_or_was_there_stays(tmp_path):
    (tmp_path / "old").write_text("old")
    first, second = Filling(str(tmp_path)), Filling(str(tmp_path))
    first.put(("one",), (b"1",), CANCEL)
    second.put(("two",), (b"2",), CANCEL)
    second.keep()
    first.close()  # the second may have found it useful
    second.close()
    assert sorted(os.listdir(tmp_path)) == ["old", "one", "two"]
    with pytest.raises(Unavailable, match="somebody else"):
        held = Filling(str(tmp_path))
        try:
            Filling(str(tmp_path), exclusive=True)
        finally:
            held.close()


def test_what_somebody_found_useful_and_kept_is_not_undone(tmp_path):
    first, second = Filling(str(tmp_path)), Filling(str(tmp_path))
    first.put(("blobs", "one"), (b"1",), CANCEL)
    first.put(("blobs", "own"), (b"2",), CANCEL)
    assert first.holds(("blobs", "own"), digest_of(b"2"), 1, CANCEL)
    assert second.holds(("blobs", "one"), digest_of(b"1"), 1, CANCEL)
    second.keep()
    second.close()
    first.close()
    assert os.listdir(tmp_path / "blobs") == ["one"]


def test_links_in_the_way_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path)
    filling = Filling(str(tmp_path / "in"))
    for work in (lambda: filling.put(("link", "x"), (b"",), CANCEL), lambda: Folder(str(tmp_path / "in")).open("link", "x")):
        with pytest.raises(InvalidInput, match="link|not a folder"):
            work()
    filling.close()
    assert os.listdir(tmp_path) == ["in"]


def test_a_limit_holds_for_what_is_unpacked(tmp_path):
    spool = Spool(str(tmp_path / "spool"), 1000)
    fd = spooled(iter([gzip.compress(bytes(1000))]), spool, "it", CANCEL)
    assert os.fstat(fd).st_size == 1000 and os.fstat(fd).st_nlink == 0
    os.close(fd)
    with pytest.raises(InvalidInput, match="more than the 1000 bytes"):
        spooled(iter([gzip.compress(bytes(1001))]), spool, "it", CANCEL)
    assert os.listdir(tmp_path / "spool") == []


@pytest.mark.parametrize("size", [1, 3, 100])
def test_members_of_gzip_in_pieces_of_any_size(size):
    data = os.urandom(300)
    packed = gzip.compress(data[:100]) + gzip.compress(data[100:]) + bytes(7)
    assert b"".join(inflated("gzip", (packed[at:at + size] for at in range(0, len(packed), size)), "it")) == data


def test_streams_are_told_by_their_names():
    assert [stream_number(path) for path in ("/dev/stdin", "/dev/fd/7", "/proc/self/fd/12", "/dev/fd/", "/dev/fd/x", "/tmp/a")] == [
        0, 7, 12, None, None, None]


def test_archives_whose_file_has_no_name_are_not_held_for_long(tmp_path):
    """Each would keep its bytes on the disk as long as it is remembered."""
    archives = Archives(Spool(str(tmp_path)))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        fd = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)
        os.write(fd, bytes(10240))
        own = os.dup2(fd, fd + 100 + _)
        archives.get(f"/proc/self/fd/{own}", CANCEL)
        os.close(fd)
        os.close(own)
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    archives.close()


def test_a_document_is_bounded_and_a_stream_begins_where_it_says(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    stream = FileStream(Folder(str(tmp_path)).open("a"), 4, "a", CANCEL)
    assert (stream.offset, b"".join(stream)) == (4, b"456789")
    stream = FileStream(Folder(str(tmp_path)).open("a"), 11, "a", CANCEL)
    assert (stream.offset, b"".join(stream)) == (0, b"0123456789")
    os.truncate(tmp_path / "a", 5 << 20)
    with pytest.raises(InvalidInput, match="4194304"):
        small(Folder(str(tmp_path)).open("a"), "a", CANCEL)
