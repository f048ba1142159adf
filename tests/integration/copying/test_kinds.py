"""What describes a file comes along: owners, modes, times, links, holes, attributes; and what is no file at all."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command

from .conftest import Inside, root_of

WHEN = 915_148_800_987_654_321


@pytest.fixture(scope="module")
def users(conman: Command, image: str) -> Iterator[Inside]:
    """A container whose main user is 12:34, with a tmpfs that everybody may write to."""
    conman.ok("run", "-d", "--name", "theirs", "--user", "12:34", "--tmpfs", "/t", image, "sleep", "100000")
    yield Inside(conman, "theirs", root_of(conman, "theirs"))
    conman("rm", "--force", "--time", "0", "theirs")


def owner(path: Path) -> tuple[int, int]:
    state = path.lstat()
    return state.st_uid, state.st_gid


@pytest.fixture
def kinds(folder: Path) -> Path:
    """Everything there is."""
    top = folder / "all"
    top.mkdir()
    (top / "f").write_text("f")
    os.link(top / "f", top / "hard")
    (top / "sub").mkdir()
    os.link(top / "f", top / "sub/third")
    with open(top / "sparse", "wb") as sparse:
        sparse.seek(50 << 20)
        sparse.write(b"end")
    (top / "big").write_bytes(os.urandom(5 << 20))
    (top / "empty").touch()
    os.mkfifo(top / "fifo")
    os.chmod(top / "fifo", 0o620)
    os.mknod(top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{top}/sock")
    (top / "link").symlink_to("f")
    os.chown(top / "link", 5, 6, follow_symlinks=False)
    for name in ("f", "big", "fifo", "sub"):
        os.chown(top / name, 5, 6)
    os.chmod(top / "f", 0o6751)
    os.chmod(top / "sub", 0o2775)
    os.setxattr(top / "f", "user.note", b"\0\xff")
    os.setxattr(top / "sub", "user.note", b"folder")
    (top / os.fsdecode(b"na\nme \xff")).write_text("odd")
    for name in ("f", "fifo", "link", "big", "sub"):
        os.utime(top / name, ns=(WHEN, WHEN), follow_symlinks=False)
    return top


def check(top: Path) -> None:
    """What is so of every copy."""
    assert os.stat(top / "f").st_ino == os.stat(top / "hard").st_ino == os.stat(top / "sub/third").st_ino
    assert (top / "sparse").stat().st_size == (50 << 20) + 3 and (top / "sparse").stat().st_blocks < 1000
    assert (top / "sparse").read_bytes()[-4:] == b"\0end"
    assert (top / "empty").stat().st_size == 0
    assert stat.S_ISFIFO((top / "fifo").stat().st_mode) and (top / "fifo").stat().st_mode & 0o777 == 0o620
    assert os.readlink(top / "link") == "f"
    assert os.getxattr(top / "f", "user.note") == b"\0\xff" and os.getxattr(top / "sub", "user.note") == b"folder"
    assert (top / os.fsdecode(b"na\nme \xff")).read_text() == "odd"
    assert {os.stat(top / name, follow_symlinks=False).st_mtime_ns for name in ("f", "fifo", "link", "big", "sub")} == {WHEN}
    assert not (top / "sock").exists()


def test_in_with_the_containers_user_as_owner(users: Inside, kinds: Path) -> None:
    done = users.conman("cp", str(kinds), users.at("/t"))
    assert (done.returncode, done.stderr) == (0, "conman: warning: not copied: sockets or devices, 1 of them\n")
    top = users.root / "t/all"
    check(top)
    assert (top / "big").read_bytes() == (kinds / "big").read_bytes()
    assert {owner(p) for p in [top, *top.rglob("*")]} == {(12, 34)}
    assert stat.S_ISCHR((top / "null").stat().st_mode) and (top / "null").stat().st_rdev == os.makedev(1, 3)
    # As with chown(2): a bit that would begin to give another user's rights goes; a folder's means something else.
    assert (top / "f").stat().st_mode & 0o7777 == 0o751 and (top / "sub").stat().st_mode & 0o7777 == 0o2775


def test_in_and_out_and_in_again_with_owners_kept(users: Inside, kinds: Path, folder: Path) -> None:
    users.conman.ok("cp", "--archive=false", str(kinds), users.at("/t/kept"))
    top = users.root / "t/kept"
    check(top)
    assert [owner(top / name) for name in ("f", "sub", "fifo", "link", "empty")] == [(5, 6)] * 4 + [(0, 0)]
    assert (top / "f").stat().st_mode & 0o7777 == 0o6751
    users.conman.ok("cp", users.at("/t/kept"), str(folder))
    back = folder / "kept"
    check(back)
    assert {owner(p) for p in back.rglob("*")} == {(0, 0)}
    assert not (back / "null").exists(), "no device of a container comes to the host"
    assert (back / "f").stat().st_mode & 0o7777 == 0o751
    users.conman.ok("cp", users.at("/t/kept"), users.at("/t/again"), "--archive=false")
    check(users.root / "t/again")
    assert owner(users.root / "t/again/f") == (5, 6) and (users.root / "t/again/f").stat().st_mode & 0o7777 == 0o6751


def test_a_bit_stays_with_its_owner(users: Inside, folder: Path) -> None:
    (folder / "f").write_text("f")
    os.chown(folder / "f", 12, 34)
    os.chmod(folder / "f", 0o6755)
    users.conman.ok("cp", f"{folder}/f", users.at("/t/bits"))
    assert (users.root / "t/bits").stat().st_mode & 0o7777 == 0o6755


def test_what_lies_around_hands_nothing_on(users: Inside, folder: Path) -> None:
    """Neither the group of a set-group-id folder nor its default ACL: a copy is what its source is."""
    (users.root / "t/team").mkdir()
    os.chown(users.root / "t/team", 7, 77)
    os.chmod(users.root / "t/team", 0o2770)
    (folder / "d").mkdir()
    (folder / "d/f").write_text("f")
    os.chmod(folder / "d/f", 0o664)
    users.conman.ok("cp", "--archive=false", f"{folder}/d", users.at("/t/team"))
    top = users.root / "t/team/d"
    assert owner(top) == owner(top / "f") == (0, 0)
    assert top.stat().st_mode & 0o7777 == (folder / "d").stat().st_mode & 0o7777 and (top / "f").stat().st_mode & 0o7777 == 0o664


def test_single_things_that_are_no_files(users: Inside, kinds: Path, folder: Path) -> None:
    assert "is a socket, which is not copied" in users.conman("cp", f"{kinds}/sock", users.at("/t/x")).stderr
    users.conman.ok("cp", f"{kinds}/null", users.at("/t/node"))
    assert stat.S_ISCHR((users.root / "t/node").stat().st_mode)
    done = users.conman("cp", users.at("/t/node"), f"{folder}/node")
    assert (done.returncode, done.stderr) == (125, 'Error: "/t/node" on container theirs is a device, which is not copied\n')
    users.conman.ok("cp", users.at("/dev/full"), "-", stdin=None)


def test_the_whole_root(running: Inside, work: Path, folder: Path) -> None:
    """Without what the kernel and the runtime put into it."""
    (work / "f").write_text("f")
    running.conman.ok("cp", running.at("/"), f"{folder}/whole")
    whole = folder / "whole"
    assert (whole / "desk/f").read_text() == "f" and (whole / "etc/passwd").exists()
    assert [os.listdir(whole / name) for name in ("proc", "sys", "dev")] == [[], [], []]
    running.conman.ok("cp", running.at("/proc/version"), f"{folder}/version")
    assert (folder / "version").read_text().startswith("Linux version")


def test_a_name_as_long_as_names_get(running: Inside, work: Path, folder: Path) -> None:
    name = "n" * 255
    (folder / name).write_text("long")
    running.conman.ok("cp", f"{folder}/{name}", running.at("/desk"))
    assert (work / name).read_text() == "long"
    done = running.conman("cp", f"{folder}/{name}", running.at(f"/desk/{name}x"))
    assert done.returncode == 125 and "file name too long" in done.stderr and done.stderr.count("\n") == 1


def test_deeper_than_a_path_may_be(running: Inside, work: Path, folder: Path) -> None:
    here = os.open(work, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("d" * 100, dir_fd=here)
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=here))
    os.close(here)
    running.conman.ok("cp", running.at("/desk"), f"{folder}/deep")
    depth, here = 0, os.open(folder / "deep", os.O_RDONLY)
    while "d" * 100 in os.listdir(here):
        inner = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here, depth = inner, depth + 1
    assert depth == 60 and os.listdir(here) == ["bottom"]
    os.close(here)
