"""Into and out of what is mounted in a container that runs, and in one that does not; what is read-only stays as it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command

from .conftest import Inside

READ_ONLY = "read-only file system"


@pytest.fixture(params=["running", "paused", "never started", "ended", "mounted"])
def mounted(request: pytest.FixtureRequest, conman: Command, image: str, folder: Path) -> Iterator[Inside]:
    """A container in each state, with ``folder/rw`` at ``/rw``, ``folder/ro`` at ``/ro`` read-only, a file at ``/etc/one``, and a
    tmpfs."""
    for name in ("rw", "ro"):
        (folder / name).mkdir()
        (folder / name / "there").write_text(name)
    (folder / "one").write_text("one")
    options = ("-v", f"{folder}/rw:/rw", "-v", f"{folder}/ro:/ro:ro", "-v", f"{folder}/one:/etc/one", "--tmpfs", "/t")
    state = request.param
    if state in ("running", "paused"):
        conman.ok("run", "-d", "--name", "vols", *options, image, "sleep", "100000")
        if state == "paused":
            conman.ok("pause", "vols")
    elif state == "ended":
        conman.ok("run", "--name", "vols", *options, image, "true")
    else:
        conman.ok("create", "--name", "vols", *options, image, "true")
    if state == "mounted":
        conman.ok("mount", "vols")
    yield Inside(conman, state, folder)
    conman("unpause", "vols")
    conman("unmount", "vols")
    conman.ok("rm", "--force", "--time", "0", "vols")


def test_bind_mounts(mounted: Inside, folder: Path) -> None:
    conman = mounted.conman
    conman.ok("cp", "vols:/rw/there", f"{folder}/got")
    assert (folder / "got").read_text() == "rw"
    conman.ok("cp", f"{folder}/got", "vols:/rw/new")
    assert (folder / "rw/new").read_text() == "rw"
    conman.ok("cp", "vols:/ro", f"{folder}/ro-copy")
    assert (folder / "ro-copy/there").read_text() == "ro"
    done = conman("cp", f"{folder}/got", "vols:/ro/new")
    assert (done.returncode, done.stderr) == (125, f'Error: copying to "/ro/new" on container vols: {READ_ONLY}\n')
    assert os.listdir(folder / "ro") == ["there"]


def test_a_tree_over_several_mounts(mounted: Inside, folder: Path) -> None:
    """What goes into a folder on another file system is staged there, and arrives as well."""
    conman = mounted.conman
    (folder / "tree/rw/sub").mkdir(parents=True)
    (folder / "tree/rw/sub/f").write_text("f")
    (folder / "tree/rw/there").write_text("replaced")
    (folder / "tree/new").mkdir()
    conman.ok("cp", f"{folder}/tree/.", "vols:/")
    assert (folder / "rw/sub/f").read_text() == "f" and (folder / "rw/there").read_text() == "replaced"
    assert sorted(os.listdir(folder / "rw")) == ["sub", "there"]
    conman.ok("cp", "vols:/new", f"{folder}/back")
    assert (folder / "back").is_dir()


def test_a_file_that_is_a_mount_point_is_written_in_place(mounted: Inside, folder: Path) -> None:
    conman = mounted.conman
    inode = os.stat(folder / "one").st_ino
    (folder / "other").write_text("another, longer one")
    conman.ok("cp", f"{folder}/other", "vols:/etc/one")
    assert (folder / "one").read_text() == "another, longer one" and os.stat(folder / "one").st_ino == inode


def test_tmpfs(mounted: Inside, folder: Path) -> None:
    conman = mounted.conman
    (folder / "f").write_text("f")
    done = conman("cp", f"{folder}/f", "vols:/t/")
    if mounted.name in ("running", "paused"):
        assert done.returncode == 0
        conman.ok("cp", "vols:/t/f", f"{folder}/got")
        assert (folder / "got").read_text() == "f"
    else:  # written below the place of a tmpfs, it would be hidden by the next start
        assert done.returncode == 125 and done.stderr.count("\n") == 1
        assert READ_ONLY in done.stderr or "could not be found" in done.stderr


def mounts_below(folder: Path, conman: Command) -> list[str]:
    """What is mounted on this host below a folder and the store."""
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if any(top in line.split()[4] for top in (str(folder), conman.folder))]


def test_nothing_is_left_mounted(mounted: Inside, folder: Path) -> None:
    before = mounts_below(folder, mounted.conman)
    mounted.conman.ok("cp", "vols:/rw", f"{folder}/got")
    (folder / "x").write_text("x")
    mounted.conman.ok("cp", f"{folder}/x", "vols:/x")
    assert mounts_below(folder, mounted.conman) == before


@pytest.mark.parametrize("starts", [True, False], ids=["running", "never started"])
def test_a_read_only_root(conman: Command, image: str, folder: Path, starts: bool) -> None:
    (folder / "rw").mkdir()
    (folder / "f").write_text("f")
    options = ("--name", "fixed", "--read-only", "-v", f"{folder}/rw:/rw", image, "sleep", "100000")
    conman.ok(*(("run", "-d") if starts else ("create",)), *options)
    done = conman("cp", f"{folder}/f", "fixed:/f")
    there = conman("cp", f"{folder}/f", "fixed:/rw")
    out = conman("cp", "fixed:/etc/passwd", f"{folder}/passwd")
    conman.ok("rm", "--force", "--time", "0", "fixed")
    assert (done.returncode, done.stderr) == (125, f'Error: copying to "/f" on container fixed: {READ_ONLY}\n')
    assert (there.returncode, out.returncode) == (0, 0) and (folder / "rw/f").read_text() == "f"


def test_no_space(conman: Command, image: str, folder: Path) -> None:
    (folder / "big").write_bytes(bytes(1 << 20) + os.urandom(3 << 20))
    (folder / "small").write_text("small")
    conman.ok("run", "-d", "--name", "narrow", "--tmpfs", "/t:size=1m", image, "sleep", "100000")
    conman.ok("cp", f"{folder}/small", "narrow:/t/f")
    done = conman("cp", f"{folder}/big", "narrow:/t/f")
    conman.ok("cp", "narrow:/t", f"{folder}/t")
    conman.ok("rm", "--force", "--time", "0", "narrow")
    assert (done.returncode, done.stderr.splitlines()[0]) == \
        (125, 'Error: no space left on device while copying to "/t/f" on container narrow')
    assert os.listdir(folder / "t") == ["f"] and (folder / "t/f").read_text() == "small", "what was there is there"
