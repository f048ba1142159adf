"""Whatever was done to a tree: its layer, unpacked, gives the tree, through both forms and through overlayfs itself."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conman_kernel.slots.storage import Whiteouts

from .trees import Node, Trees, picture

NAMES = st.sampled_from(["a", "b", "c.d", "\u00e9", "x" * 101])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
STEPS = st.lists(st.one_of(
    st.tuples(st.just("file"), PATHS, st.binary(max_size=3)),
    st.tuples(st.just("folder"), PATHS, st.just(b"")),
    st.tuples(st.just("link"), PATHS, PATHS),
    st.tuples(st.just("symlink"), PATHS, PATHS),
    st.tuples(st.just("fifo"), PATHS, st.just(b"")),
    st.tuples(st.just("remove"), PATHS, st.just(b"")),
    st.tuples(st.just("rename"), PATHS, PATHS),
    st.tuples(st.just("mode"), PATHS, st.integers(0, 0o7777)),
    st.tuples(st.just("owner"), PATHS, st.integers(0, 3_000_000)),
    st.tuples(st.just("time"), PATHS, st.integers(-(1 << 40), 1 << 62)),
    st.tuples(st.just("xattr"), PATHS, st.binary(max_size=5)),
), max_size=14)


def play(root: Path, steps: list[tuple[str, str, bytes | str | int]]) -> None:
    """Do what is possible; what is not (below a file, onto a folder) is passed over."""
    for what, name, value in steps:
        path = root / name
        try:
            if any(parent.is_symlink() for parent in path.parents if parent.is_relative_to(root)):
                continue
            _step(root, path, what, value)
        except (FileNotFoundError, NotADirectoryError, FileExistsError, IsADirectoryError, PermissionError):
            continue
        except OSError as error:  # a folder onto a full one, or into itself; one that overlayfs does not rename; a link to itself
            assert error.errno in (errno.ENOTEMPTY, errno.EINVAL, errno.EXDEV, errno.ELOOP), error


def _step(root: Path, path: Path, what: str, value: bytes | str | int) -> None:
    if what in ("file", "folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes) and what == "xattr":
        os.setxattr(path, "trusted.t", value, follow_symlinks=False)
    elif what == "file" and isinstance(value, bytes) and not path.is_symlink() and not path.is_fifo():
        path.write_bytes(value)
    elif what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "remove":
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    elif isinstance(value, str):
        if what == "link":
            os.link(path, root / value, follow_symlinks=False)
        elif what == "symlink":
            path.symlink_to(value)
        else:
            path.rename(root / value)
    elif isinstance(value, int) and what == "mode" and not path.is_symlink():
        path.chmod(value)
    elif isinstance(value, int) and what == "owner":
        mode = path.lstat().st_mode
        os.lchown(path, value, value // 2)
        if not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode))
    elif isinstance(value, int) and what == "time":
        os.utime(path, ns=(value, value), follow_symlinks=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(below=STEPS, above=STEPS)
def test_a_layer_gives_the_tree_it_was_made_of(below, above):
    with tempfile.TemporaryDirectory(prefix="cw-", dir="/dev/shm") as made:
        trees = Trees(Path(made))
        lower, upper, merged, back, alone, shown = map(trees.make, ("lower", "upper", "merged", "back", "alone", "shown"))
        for work in ("work", "work2", "upper2"):
            trees.make(work)
        play(lower, below)
        mount(f"{lower}", upper, trees.folder / "work", merged)
        try:
            play(merged, above)
            expected = picture(merged)
            check_applied(trees, merged, lower, back, expected)
            trees.pack(upper, lower, form=Whiteouts.OVERLAY)
            shutil.rmtree(back)
            subprocess.run(["cp", "-a", lower, back], check=True)
            trees.unpack(back)
            assert picture(back) == expected
            assert not trees.unpack(alone, alone=True).needs_parent
            mount(f"{alone}:{lower}", trees.folder / "upper2", trees.folder / "work2", shown)
            try:
                assert picture(shown) == expected
            finally:
                subprocess.run(["umount", shown], check=True)
        finally:
            subprocess.run(["umount", merged], check=True)


def check_applied(trees: Trees, merged: Path, lower: Path, back: Path, expected: dict[str, Node]) -> None:
    """Compared as whole trees; then alone, without what is below."""
    back.rmdir()
    subprocess.run(["cp", "-a", lower, back], check=True)
    trees.pack(merged, lower)
    trees.unpack(back)
    assert picture(back) == expected
    assert trees.changes(back, merged) == trees.changes(merged, back) == []
    shutil.rmtree(back)
    back.mkdir()
    trees.pack(merged, compression="gzip")
    trees.unpack(back, base=True)
    assert picture(back) == expected


def mount(lower: str, upper: Path, work: Path, place: Path) -> None:
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={work},"
                    "index=off,redirect_dir=off,metacopy=off", place], check=True)
