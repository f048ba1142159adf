"""Paths beneath a root: where they lead, and that a race leads nowhere else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.worker.copying.copier import Copier
from conman_kernel.worker.inroot import resolve
from conman_kernel.worker.tree import FOLDER_FLAGS

ROUNDS = 4000

EXCHANGER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
print("begun", flush=True)
while os.getppid() == int(sys.argv[2]):
    for _ in range(1000):
        assert libc.renameat2(folder, b"d", folder, b"l", 2) == 0
"""


@pytest.fixture
def top(tmp_path: Path) -> Iterator[int]:
    """The root ``r`` with files and links, beside a file that lies outside of it."""
    (tmp_path / "outside").write_text("outside")
    root = tmp_path / "r"
    (root / "a/b").mkdir(parents=True)
    (root / "a/f").write_text("inside")
    for name, target in (("abs", "/a/f"), ("rel", "a/f"), ("up", "../../../a/f"), ("out", f"{tmp_path}/outside"), ("to", "a/new"),
                         ("a/b/dots", "../f"), ("folder", "/a"), ("loop", "loop"), ("magic", "/proc/self/root")):
        (root / name).symlink_to(target)
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("path", ["a/f", "/a/f", "//a/./f", "../../a/f", "abs", "rel", "up", "a/b/dots", "folder/f", "a/b/../f"])
def test_what_is_there(top: int, path: str) -> None:
    with resolve(top, path.encode(), follow=True) as place, os.fdopen(place.open(os.O_RDONLY), "rb") as file:
        assert place.name == b"f" and file.read() == b"inside"


@pytest.mark.parametrize("path, name", [("to", b"new"), ("a/new", b"new"), ("folder/new", b"new")])
def test_what_is_not_there_yet(top: int, path: str, name: bytes) -> None:
    with resolve(top, path.encode(), follow=True) as place:
        assert (place.name, place.state) == (name, None)
        os.close(place.open(os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with resolve(top, b"a/new", follow=True) as place:
        assert place.state is not None


@pytest.mark.parametrize("path", ["", "/", ".", "..", "a/..", "folder/../.."])
def test_the_root_is_its_own_end(top: int, path: str) -> None:
    with resolve(top, path.encode(), follow=True) as place:
        assert place.name == b"." and place.state is not None
        assert place.state.st_ino == os.fstat(top).st_ino


@pytest.mark.parametrize("path, number", [("out", errno.ENOENT), ("nope/x", errno.ENOENT), ("a/f/x", errno.ENOTDIR),
                                          ("loop", errno.ELOOP), ("magic", errno.ENOENT)])
def test_what_leads_nowhere(top: int, path: str, number: int) -> None:
    with pytest.raises(OSError) as caught:
        resolve(top, path.encode(), follow=True).close()
    assert caught.value.errno == number


def test_a_link_that_is_not_followed(top: int) -> None:
    with resolve(top, b"abs", follow=False) as place, pytest.raises(OSError):
        place.open(os.O_RDONLY)


@pytest.fixture
def raced(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A root in which ``d``, with the path of a folder outside in it, and ``l``, a link to ``/``, are exchanged all the time; and
    that folder."""
    prize = tmp_path / "prize"
    prize.mkdir()
    (prize / "secret").write_text("outside")
    inner = tmp_path / "r/d" / str(prize).lstrip("/")
    inner.mkdir(parents=True)
    (inner / "secret").write_text("inside")
    (tmp_path / "r/l").symlink_to("/")
    root = os.open(tmp_path / "r", FOLDER_FLAGS)
    with subprocess.Popen([sys.executable, "-c", EXCHANGER, str(tmp_path / "r"), str(os.getpid())], stdout=subprocess.PIPE) as hostile:
        assert hostile.stdout is not None and hostile.stdout.readline() == b"begun\n"
        yield root, prize
        assert hostile.poll() is None
        hostile.kill()
    os.close(root)
    assert os.listdir(prize) == ["secret"]


def test_a_race_of_names(raced: tuple[int, Path]) -> None:
    root, prize = raced
    found = {b"inside": 0, b"": 0}
    for _ in range(ROUNDS):
        try:
            with resolve(root, b"/d" + os.fsencode(prize) + b"/secret", follow=True) as place:
                fd = place.open(os.O_RDONLY)
        except OSError:
            found[b""] += 1
            continue
        data = os.read(fd, 10)
        os.close(fd)
        found[data] += 1  # KeyError: it was read from outside
    assert found[b"inside"] and found[b""], "there was a race"


def test_a_race_while_a_tree_is_copied(raced: tuple[int, Path], tmp_path: Path) -> None:
    root, _ = raced
    kinds = set[str]()
    for number in range(ROUNDS // 10):
        (tmp_path / f"to{number}").mkdir()
        target = os.open(tmp_path / f"to{number}", FOLDER_FLAGS)
        try:
            Copier(None, devices=False, hidden=frozenset(), never=(-1, -1), cancel=Cancel()).contents(root, target)
        finally:
            os.close(target)
        for here, _, files in os.walk(tmp_path / f"to{number}"):
            kinds.update(Path(here, name).read_text() for name in files)
    assert kinds == {"inside"}
