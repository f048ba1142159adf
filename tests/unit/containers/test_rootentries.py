"""The working folder and ``/etc/mtab`` in a root file system that is not trusted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.containers.rootentries import ensure_mtab, ensure_workdir
from conman_kernel.errors import ConmanError, InvalidState, NotFound
from conman_kernel.oci.runtime.options import ContainerOptions, MountOption
from conman_kernel.oci.runtime.request import ImageParts, User

ME = User(uid=os.geteuid(), gid=os.getegid())
NOTHING = ContainerOptions()


@pytest.fixture
def root(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    folder = tmp_path / "root"
    (folder / "etc").mkdir(parents=True)
    (folder / "file").write_text("")
    (folder / "out").symlink_to(tmp_path / "secret")
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    yield fd, folder
    os.close(fd)


def test_the_images_folder_is_made(root: tuple[int, Path]) -> None:
    ensure_workdir(root[0], "c", NOTHING, ImageParts(working_dir="/a/b"), ME)
    assert (root[1] / "a/b").is_dir()
    ensure_workdir(root[0], "c", NOTHING, ImageParts(working_dir="/a/b"), ME)
    ensure_workdir(root[0], "c", NOTHING, ImageParts(working_dir="/"), ME)
    ensure_workdir(root[0], "c", NOTHING, ImageParts(), ME)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_it_belongs_to_the_containers_user(root: tuple[int, Path]) -> None:
    ensure_workdir(root[0], "c", NOTHING, ImageParts(working_dir="/a/b"), User(uid=12, gid=34))
    made, above = os.stat(root[1] / "a/b"), os.stat(root[1] / "a")
    assert (made.st_uid, made.st_gid, above.st_uid, above.st_gid) == (12, 34, 0, 0)


@pytest.mark.parametrize("options, working_dir, error, words", [
    (ContainerOptions(workdir="/no"), "", NotFound, 'workdir "/no" does not exist on container c'),
    (ContainerOptions(workdir="/no"), "/no", NotFound, 'workdir "/no" does not exist on container c'),
    (ContainerOptions(workdir="/file"), "", InvalidState, 'workdir "/file" exists on container c, but is not a directory'),
    (NOTHING, "/file", InvalidState, 'workdir "/file" exists on container c, but is not a directory'),
    (NOTHING, "/file/x", InvalidState, 'workdir "/file/x" exists on container c, but is not a directory'),
    (NOTHING, "/out", ConmanError, 'cannot make workdir "/out" in the container'),
], ids=["given", "given as the image's", "given a file", "a file", "below a file", "a link to nowhere inside"])
def test_it_cannot_be(root: tuple[int, Path], options: ContainerOptions, working_dir: str, error: type[ConmanError],
                      words: str) -> None:
    before = sorted(root[1].rglob("*"))
    with pytest.raises(error) as caught:
        ensure_workdir(root[0], "c", options, ImageParts(working_dir=working_dir), ME)
    assert words in str(caught.value) and caught.value.exit_code == 126
    assert sorted(root[1].rglob("*")) == before and not (root[1].parent / "secret").exists()


def test_on_a_mount_it_is_the_runtimes_affair(root: tuple[int, Path]) -> None:
    mounted = (MountOption("bind", "/tmp", "/data/"), MountOption("tmpfs", "", "/scratch"))
    for path in ("/data", "/data/deeper", "/scratch/x/"):
        ensure_workdir(root[0], "c", ContainerOptions(workdir=path, mounts=mounted), ImageParts(), ME)
        assert not (root[1] / path.strip("/")).exists()
    with pytest.raises(NotFound):
        ensure_workdir(root[0], "c", ContainerOptions(workdir="/database", mounts=mounted), ImageParts(), ME)


def test_mtab(root: tuple[int, Path]) -> None:
    ensure_mtab(root[0])
    assert os.readlink(root[1] / "etc/mtab") == "/proc/mounts"
    (root[1] / "etc/mtab").unlink()
    (root[1] / "etc/mtab").write_text("the image's own")
    ensure_mtab(root[0])
    assert (root[1] / "etc/mtab").read_text() == "the image's own"


def test_mtab_stays_inside(root: tuple[int, Path]) -> None:
    """An ``/etc`` that leads out of the root file system, or is none, gets nothing."""
    outside = root[1].parent / "secret"
    outside.mkdir()
    (root[1] / "etc").rmdir()
    ensure_mtab(root[0])
    (root[1] / "etc").symlink_to(outside)
    ensure_mtab(root[0])
    assert list(outside.iterdir()) == []
