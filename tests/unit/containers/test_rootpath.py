from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.containers.rootpath import mkdir_in_root, open_in_root, read_in_root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A root with a secret beside it, and links that try to reach it."""
    (tmp_path / "secret").write_text("secret")
    base = tmp_path / "root"
    (base / "etc/deep").mkdir(parents=True)
    (base / "etc/passwd").write_text("inside")
    (base / "secret").write_text("decoy")
    for name, target in (("abs", "/etc/passwd"), ("up", "../../../../secret"), ("etc/rel", "../etc/passwd"), ("loop", "loop"),
                         ("out", str(tmp_path / "secret")), ("dir", "/etc/deep"), ("dangling", "/nowhere/at/all")):
        os.symlink(target, base / name)
    fd = os.open(base, os.O_PATH | os.O_DIRECTORY)
    yield fd, base
    os.close(fd)


@pytest.mark.parametrize(("path", "content"), [
    ("/etc/passwd", b"inside"), ("etc/passwd", b"inside"), ("/etc/../etc/./passwd", b"inside"), ("/abs", b"inside"),
    ("/etc/rel", b"inside"), ("/up", b"decoy"), ("/../../secret", b"decoy"), ("/dir/../passwd", b"inside"),
    ("/out", None), ("/dangling", None), ("/nope", None), ("/etc/passwd/x", None)])
def test_links_stay_inside(root: tuple[int, Path], path: str, content: bytes | None) -> None:
    assert read_in_root(root[0], path, 100) == content


def test_no_descriptor_is_left(root: tuple[int, Path]) -> None:
    before = os.listdir("/proc/self/fd")
    for path in ("/dir/../passwd", "/out", "/etc", "/nope/x"):
        try:
            os.close(open_in_root(root[0], path, os.O_RDONLY))
        except OSError:
            continue
    assert os.listdir("/proc/self/fd") == before


def test_what_is_no_file_is_not_opened(root: tuple[int, Path]) -> None:
    os.mkfifo(root[1] / "fifo")
    for path, number in (("/fifo", errno.EINVAL), ("/etc", errno.EINVAL), ("/loop", errno.ELOOP)):
        with pytest.raises(OSError) as caught:
            read_in_root(root[0], path, 100)
        assert caught.value.errno == number
    (root[1] / "big").write_bytes(b"x" * 101)
    with pytest.raises(OSError) as caught:
        read_in_root(root[0], "/big", 100)
    assert caught.value.errno == errno.EFBIG


def test_creating_stays_inside(root: tuple[int, Path]) -> None:
    os.close(open_in_root(root[0], "/dir/new", os.O_WRONLY | os.O_CREAT, 0o600))
    assert (root[1] / "etc/deep/new").exists()
    with pytest.raises(FileExistsError):
        open_in_root(root[0], "/out", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with pytest.raises(OSError):
        open_in_root(root[0], "/abs", os.O_RDONLY | os.O_NOFOLLOW)


def test_folders_are_made_with_owner_and_mode_despite_the_umask(root: tuple[int, Path]) -> None:
    mkdir_in_root(root[0], "/dir/a/b", mode=0o755, uid=os.geteuid(), gid=os.getegid())
    mkdir_in_root(root[0], "/dir/a/b")
    made = (root[1] / "etc/deep/a/b").stat()
    assert (made.st_mode & 0o7777, made.st_uid) == (0o755, os.geteuid())
    with pytest.raises(NotADirectoryError):
        mkdir_in_root(root[0], "/etc/passwd/x")
    with pytest.raises(OSError):
        mkdir_in_root(root[0], "/dangling/x")
    mkdir_in_root(root[0], "/../../beside")
    assert (root[1] / "beside").is_dir() and not (root[1].parent / "beside").exists()
