"""mount(2) as the drivers' records ask for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from conman_kernel.errors import NotFound, Unavailable
from conman_kernel.mounts import is_mounted, mount_all, split_lower, split_options, unmount
from conman_kernel.slots.storage import Mount


@pytest.fixture
def target(scratch_folder):
    made = scratch_folder / "target"
    made.mkdir()
    yield str(made)
    unmount(str(made))


def options_of(target: str) -> str:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return next(line for line in reversed(lines) if line.split()[4] == target)


def test_mounts_stack_and_go_together(target):
    tmpfs = Mount("tmpfs", "tmpfs", ("nosuid", "nodev", "size=1m", "mode=0711"))
    assert not is_mounted(target)
    mount_all([tmpfs, tmpfs], target)
    assert is_mounted(target) and os.stat(target).st_mode & 0o777 == 0o711
    assert "nosuid,nodev" in options_of(target)
    unmount(target)
    assert not is_mounted(target)
    unmount(target)


def test_a_busy_mount_is_taken_away_lazily(target):
    mount_all([Mount("tmpfs", "tmpfs", ())], target)
    with open(os.path.join(target, "f"), "w", encoding="ascii") as held:
        unmount(target)
        assert not is_mounted(target)
        held.write("still there")


def test_a_read_only_bind_is_read_only_and_private(target, scratch_folder):
    (scratch_folder / "source").mkdir()
    mount_all([Mount("bind", str(scratch_folder / "source"), ("rbind", "ro", "nosuid", "rprivate"))], target)
    assert is_mounted(target) and " ro," in options_of(target) and "shared:" not in options_of(target)
    with pytest.raises(OSError, match="Read-only"):
        Path(target, "x").write_text("")
    assert not is_mounted(str(scratch_folder / "source"))


def test_a_file_can_be_a_mount_point(scratch_folder):
    (scratch_folder / "a").write_text("a")
    (scratch_folder / "b").write_text("b")
    mount_all([Mount("bind", str(scratch_folder / "a"), ("bind",))], str(scratch_folder / "b"))
    try:
        assert is_mounted(str(scratch_folder / "b")) and (scratch_folder / "b").read_text() == "a"
    finally:
        unmount(str(scratch_folder / "b"))
    assert not is_mounted(str(scratch_folder / "b")) and (scratch_folder / "b").read_text() == "b"


def test_what_fails_undoes_what_was_done_and_says_why(target, scratch_folder):
    with pytest.raises(Unavailable, match=r"cannot mount nosuchfs .*: no such device") as caught:
        mount_all([Mount("tmpfs", "tmpfs", ()), Mount("nosuchfs", "x", ())], target)
    assert caught.value.hint and not is_mounted(target)
    with pytest.raises(NotFound):
        mount_all([Mount("tmpfs", "tmpfs", ())], target + "/none")
    assert not is_mounted(target + "/none")
    unmount(target + "/none")


@pytest.mark.parametrize("fallback", [False, True])
def test_an_overlay_of_more_than_a_page(target, scratch_folder, monkeypatch, fallback):
    if fallback:
        monkeypatch.setattr("conman_kernel.mounts._fsmount_overlay", lambda *_: 22)  # a kernel before 6.5
    lower = []
    for index in range(100):
        folder = scratch_folder / f"layer-{index}-{'x' * 60}"
        folder.mkdir()
        (folder / f"f{index}").write_text("")
        lower.append(str(folder))
    for name in ("upper", "work"):
        (scratch_folder / name).mkdir()
    mount_all([Mount("overlay", "overlay", (
        "lowerdir=" + ":".join(lower), f"upperdir={scratch_folder}/upper", f"workdir={scratch_folder}/work",
        "index=off", "nodev"))], target)
    assert len(os.listdir(target)) == 100 and "nodev" in options_of(target)
    Path(target, "new").write_text("")
    assert os.listdir(scratch_folder / "upper") == ["new"]


def test_folders_with_colons_and_commas(target, scratch_folder):
    from conman_kernel.cancel import Cancel
    from conman_kernel.slots.storage import CommitRequest, KeyRequest, PrepareRequest

    from .conftest import open_driver

    driver = open_driver("overlay", scratch_folder / "a:b,c\\d")
    driver.prepare(PrepareRequest("k", None, Cancel(30)))
    driver.commit(CommitRequest("k", "n", Cancel(30)))
    driver.prepare(PrepareRequest("k", "n", Cancel(30)))
    mount_all(driver.mounts(KeyRequest("k", Cancel(30))), target)
    Path(target, "x").write_text("")
    unmount(target)


def test_options_are_sorted_out():
    assert split_options(("ro", "bind", "rslave", "defaults", "size=1m")) == (1 | 4096, 1 << 19 | 16384, ["size=1m"])
    assert split_lower(r"/a:/b\:c:/d\\e") == ["/a", "/b:c", r"/d\e"]


def test_without_the_right_the_hint_says_so(target):
    code = ("from conman_kernel.mounts import mount_all; from conman_kernel.slots.storage import Mount\n"
            "from conman_kernel.errors import Unavailable\n"
            "try: mount_all([Mount('tmpfs', 'tmpfs', ())], '/mnt')\n"
            "except Unavailable as error: print(error.message, '|', error.hint)\n")
    import sys

    done = subprocess.run(["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin", sys.executable, "-c", code],
                          capture_output=True, text=True, check=True)
    assert "operation not permitted" in done.stdout and "CAP_SYS_ADMIN" in done.stdout


def loops_of(file: Path) -> list[str]:
    done = subprocess.run(["losetup", "--noheadings", "-O", "NAME", "-j", str(file)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_file_is_shown_through_a_loop_device_that_goes_with_the_mount(target, scratch_folder):
    disk = scratch_folder / "disk"
    with disk.open("wb") as made:
        made.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(disk)], check=True)
    mount_all([Mount("ext4", str(disk), ("loop", "rw", "noatime"))], target)
    assert len(loops_of(disk)) == 1
    Path(target, "f").write_text("kept")
    unmount(target)
    assert not loops_of(disk)
    before = disk.read_bytes()
    mount_all([Mount("ext4", str(disk), ("loop", "ro", "noload"))], target)
    assert Path(target, "f").read_text() == "kept"
    with pytest.raises(OSError, match="Read-only"):
        Path(target, "g").write_text("")
    unmount(target)
    assert disk.read_bytes() == before and not loops_of(disk)


def test_a_file_that_holds_no_file_system_leaves_no_loop_device(target, scratch_folder):
    (scratch_folder / "disk").write_bytes(bytes(1 << 20))
    for source, words in ((scratch_folder / "disk", "cannot mount ext4 /dev/loop"), (scratch_folder / "none", "no such file")):
        with pytest.raises(Unavailable, match=words):
            mount_all([Mount("ext4", str(source), ("loop",))], target)
    assert not loops_of(scratch_folder / "disk")
    assert not is_mounted(target)
