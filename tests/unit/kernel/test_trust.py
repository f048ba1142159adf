"""Which files root believes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conman_kernel.config import load
from conman_kernel.errors import ConfigError
from conman_kernel.trust import check_trust

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it is root who must not be lured")
NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of root's in a folder of root's."""
    folder = tmp_path / "folder"
    folder.mkdir(0o755)
    path = folder / "conman.toml"
    path.write_text("keep_blobs = false\n")
    path.chmod(0o644)
    return path


def refused(path: Path, culprit: Path, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file=str(path), environ={})
    assert caught.value.message.startswith(f"{path}: not read: {culprit} {words}")
    assert str(culprit) in caught.value.hint


@root_only
def test_roots_own_file_is_read(file: Path) -> None:
    assert not load(file=str(file), environ={}).switch("keep_blobs")


@root_only
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_a_file_that_others_can_write(file: Path, mode: int) -> None:
    file.chmod(mode)
    refused(file, file, "can be written by others")


@root_only
def test_a_file_of_somebody_else(file: Path) -> None:
    os.chown(file, NOBODY, 0)
    refused(file, file, "does not belong to root")


@root_only
@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_folder_that_others_can_write(file: Path, mode: int) -> None:
    file.parent.chmod(mode)
    refused(file, file.parent, "can be written by others")


@root_only
def test_a_folder_of_somebody_else_far_above(tmp_path: Path, file: Path) -> None:
    deep = file.parent / "a" / "b"
    deep.mkdir(parents=True)
    inner = deep / "conman.toml"
    inner.write_text("")
    inner.chmod(0o600)
    os.chown(file.parent, NOBODY, 0)
    refused(inner, file.parent, "does not belong to root")


@root_only
def test_a_sticky_folder_passes(file: Path) -> None:
    file.parent.chmod(0o1777)
    check_trust(str(file))
    file.parent.chmod(0o777)
    with pytest.raises(ConfigError):
        check_trust(str(file))


@root_only
def test_the_sticky_bit_of_a_file_means_nothing(file: Path) -> None:
    file.chmod(0o1666)
    refused(file, file, "can be written by others")


@root_only
def test_a_link_in_a_foreign_folder_is_not_followed_blindly(tmp_path: Path, file: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    link = foreign / "conman.toml"
    link.symlink_to(file)
    check_trust(str(link))
    os.chown(foreign, NOBODY, NOBODY)
    refused(link, foreign, "does not belong to root")


@root_only
def test_a_link_of_somebody_else_in_a_sticky_folder(tmp_path: Path, file: Path) -> None:
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    tmp.chmod(0o1777)
    link = tmp / "conman.toml"
    link.symlink_to(file)
    check_trust(str(link))
    os.lchown(link, NOBODY, NOBODY)
    refused(link, link, "does not belong to root")


@root_only
def test_what_a_relative_link_passes_through_counts(tmp_path: Path, file: Path) -> None:
    middle = tmp_path / "middle"
    middle.mkdir()
    (middle / "hop").symlink_to("../folder")
    start = tmp_path / "start.toml"
    start.symlink_to("middle/hop/conman.toml")
    check_trust(str(start))
    os.chown(middle, NOBODY, NOBODY)
    refused(start, middle, "does not belong to root")


@root_only
def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ConfigError, match="cannot be read: Too many levels of symbolic links"):
        load(file=str(tmp_path / "a"), environ={})


AS_NOBODY = f"""
import os
import sys
from conman_kernel.config import load
from conman_kernel.errors import ConfigError
import tomli
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
try:
    print(load(file=sys.argv[1], environ={{}}).switch("keep_blobs"))
except ConfigError as error:
    print(error)
"""


@root_only
def test_somebody_else_reads_his_own_and_meets_no_traceback(file: Path) -> None:
    def as_nobody() -> str:
        # The tree above the temporary folder is root's alone: the file is handed over by descriptor.
        fd = os.open(file.parent, os.O_PATH)
        try:
            done = subprocess.run([sys.executable, "-c", AS_NOBODY, f"/proc/self/fd/{fd}/conman.toml"],
                                  pass_fds=(fd,), capture_output=True, text=True, timeout=30, cwd="/")
        finally:
            os.close(fd)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    file.chmod(0o666)
    assert as_nobody() == "False"  # only root is guarded
    file.chmod(0o600)
    assert as_nobody().endswith("/conman.toml: cannot be read: Permission denied")
