"""Whatever was done to a tree is carried onto another one: through overlayfs and as whole trees, both ways."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest
from hypothesis import HealthCheck, given, settings

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Unavailable
from conman_kernel.slots.storage import Whiteouts
from conman_kernel.testing.trees import differences
from conman_kernel.worker.client import Worker
from conman_kernel.worker.jobs import CarryRequest

from .test_pack_any_tree import STEPS, mount, play
from .trees import Trees


def carry(upper: Path, lower: Path | None, target: Path, form: Whiteouts = Whiteouts.APPLIED) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY
    fds = [os.open(path, flags) for path in (upper, target, *([lower] if lower else []))]
    try:
        return Worker().carry(CarryRequest(fds[0], fds[2] if lower else None, form, fds[1], Cancel(60)))
    finally:
        for fd in fds:
            os.close(fd)


@contextmanager
def mounted(trees: Trees, name: str, lower: Path) -> Iterator[tuple[Path, Path]]:
    """An overlay over ``lower``: what it shows, and its upper folder."""
    upper, work, place = (trees.make(f"{name}-{part}") for part in ("upper", "work", "place"))
    mount(str(lower), upper, work, place)
    try:
        yield place, upper
    finally:
        subprocess.run(["umount", place], check=True)


def copied(source: Path, target: Path) -> Path:
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(below=STEPS, above=STEPS)
def test_any_change_arrives(below, above):
    with tempfile.TemporaryDirectory(prefix="cw-", dir="/dev/shm") as made:
        trees = Trees(Path(made))
        lower = trees.make("lower")
        play(lower, below)
        plain = copied(lower, trees.folder / "plain")
        play(plain, above)
        with mounted(trees, "source", lower) as (shown, layer):
            play(shown, above)
            for number, (upper, form, whole) in enumerate([(layer, Whiteouts.OVERLAY, shown), (plain, Whiteouts.APPLIED, plain)]):
                target = copied(lower, trees.folder / f"to-plain{number}")
                carry(upper, lower, target, form)
                assert same(whole, target) == []
                with mounted(trees, f"to{number}", lower) as (other, _):
                    carry(upper, lower, other, form)
                    assert same(whole, other) == []


def same(one: Path, other: Path) -> list[str]:
    """Differences, but for hard links that overlayfs splits when one of them is written: the link is gone in the source already,
    or where nobody changed either name."""
    return [line for line in differences(str(one), str(other)) if ": links is " not in line]


@pytest.fixture
def pair(trees: Trees) -> tuple[Path, Path, Path]:
    """A tree, the one it was made from, and a target that equals the latter."""
    lower = trees.make("lower")
    for name in ("keep", "sub/keep", "a", "old/x", "kind", "once"):
        (lower / name).parent.mkdir(parents=True, exist_ok=True)
        (lower / name).write_text(name)
    os.link(lower / "a", lower / "b")
    return copied(lower, trees.folder / "upper"), lower, copied(lower, trees.folder / "target")


def test_what_no_layer_holds_comes_along(pair):
    upper, lower, target = pair
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(upper / "sock"))
    os.mknod(upper / "zero", stat.S_IFCHR | 0o600, 0)
    (upper / ".wh.keep").write_text("not a whiteout")
    with open(upper / "holes", "wb") as file:
        file.seek(1 << 30)
        file.write(b"end")
    carry(upper, lower, target)
    assert differences(str(upper), str(target)) == []
    assert stat.S_ISSOCK((target / "sock").lstat().st_mode) and (target / "holes").stat().st_blocks * 512 < 1 << 20


def test_a_change_that_kept_size_and_time_is_seen(pair):
    upper, lower, target = pair
    state = (upper / "keep").stat()
    (upper / "keep").write_text("peek")
    os.utime(upper / "keep", ns=(state.st_mtime_ns, state.st_mtime_ns))
    carry(upper, lower, target)
    assert (target / "keep").read_text() == "peek"


def test_only_what_changed_is_touched(pair):
    upper, lower, target = pair
    before = {path: path.stat().st_ino for path in (target / "keep", target / "sub/keep", target / "a")}
    (upper / "new").write_text("")
    assert carry(upper, lower, target) == 1
    assert {path: path.stat().st_ino for path in before} == before


def test_links_are_made_broken_and_kept(pair):
    upper, lower, target = pair
    os.link(upper / "once", upper / "twice")
    (upper / "b").unlink()
    shutil.copy2(upper / "a", upper / "b")
    carry(upper, lower, target)
    assert differences(str(upper), str(target)) == []
    assert not os.path.samefile(target / "a", target / "b") and os.path.samefile(target / "once", target / "twice")


def test_kinds_change_times_and_the_root(pair):
    upper, lower, target = pair
    (upper / "kind").unlink()
    (upper / "kind").mkdir()
    (upper / "kind/in").write_text("")
    shutil.rmtree(upper / "old")
    (upper / "old").symlink_to("/etc")
    os.setxattr(upper / "sub", "user.note", b"x")
    os.utime(upper / "sub", ns=(5, 123456789))
    os.chmod(upper, 0o711)
    os.chown(upper, 7, 8)
    os.utime(upper, ns=(5, 42))
    carry(upper, lower, target)
    assert differences(str(upper), str(target)) == []
    assert target.stat().st_mtime_ns == 42 and (target / "old").is_symlink()


def test_it_stays_beneath_the_target(pair, trees):
    """A folder of the target that is a symlink there is replaced, never followed."""
    upper, lower, target = pair
    outside = trees.make("outside")
    shutil.rmtree(target / "sub")
    (target / "sub").symlink_to(outside)
    (upper / "sub/new").write_text("")
    carry(upper, lower, target)
    assert os.listdir(outside) == [] and (target / "sub/new").exists()


def test_a_full_disk_is_one_line(pair, trees):
    upper, lower, _ = pair
    (upper / "big").write_bytes(os.urandom(1 << 20))
    small = trees.make("small")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], check=True)
    try:
        with pytest.raises(Unavailable, match="no space left on device while carrying 'big'"):
            carry(upper, lower, small)
    finally:
        subprocess.run(["umount", small], check=True)


def test_without_a_tree_below_everything_is_carried(pair, trees):
    upper, _, _ = pair
    target = trees.make("empty")
    carry(upper, None, target)
    assert differences(str(upper), str(target)) == []


def test_deep_and_wide(pair):
    upper, lower, target = pair
    deep = upper
    for _ in range(150):
        deep /= "d" * 20
        deep.mkdir()
    (deep / "end").write_text("here")
    carry(upper, lower, target)
    assert differences(str(upper), str(target)) == []
