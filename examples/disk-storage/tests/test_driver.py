"""What this driver does beyond what every driver promises (that is in test_contract.py): sizes, disks, crashes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conman_disk_storage.driver import DiskDriver
from conman_disk_storage.images import Images, lacking
from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, ConfigError, InvalidState
from conman_kernel.slots.storage import CommitRequest, KeyRequest, LeftoversRequest, PrepareRequest

NONE: frozenset[str] = frozenset()


def make(folder: Path, size: str = "32m") -> DiskDriver:
    return DiskDriver(Images(size), str(folder), mount_options=("noatime",), sync=True)


@pytest.fixture
def driver(tmp_path: Path) -> DiskDriver:
    missing = lacking()
    if missing is not None:
        pytest.skip(missing.reason)
    return make(tmp_path / "state")


def base(driver: DiskDriver) -> None:
    driver.prepare(PrepareRequest("unpacking", None, Cancel(30)))
    driver.commit(CommitRequest("unpacking", "base", Cancel(30)))


@pytest.mark.parametrize("size", ["", "0", "15m", "1x", "-1g", "17t", "1.5g", "9" * 40])
def test_a_size_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ConfigError, match=r"plugin\.disk-storage\.size"):
        Images(size)


def test_a_new_disk_is_sparse_and_sound(driver: DiskDriver) -> None:
    driver.prepare(PrepareRequest("k", None, Cancel(30)))
    (mount,) = driver.mounts(KeyRequest("k", Cancel()))
    assert os.path.getsize(mount.source) == 32 << 20
    assert driver.usage(KeyRequest("k", Cancel())).size < 8 << 20
    subprocess.run(["e2fsck", "-fn", mount.source], check=True, capture_output=True)


def test_a_view_shows_its_parents_disk_and_takes_nothing(driver: DiskDriver) -> None:
    base(driver)
    driver.view(PrepareRequest("look", "base", Cancel(30)))
    (mount,) = driver.mounts(KeyRequest("look", Cancel()))
    assert {"ro", "noload", "loop"} <= set(mount.options)
    assert driver.usage(KeyRequest("look", Cancel())).size == 0
    with pytest.raises(InvalidState, match="is a view"):
        driver.commit(CommitRequest("look", "other", Cancel(30)))
    with pytest.raises(InvalidState):
        driver.remove(KeyRequest("base", Cancel(30)))


def test_a_cancelled_prepare_leaves_nothing(driver: DiskDriver, tmp_path: Path) -> None:
    base(driver)
    cancel = Cancel()
    cancel.cancel()
    for parent in (None, "base"):
        with pytest.raises(Cancelled):
            driver.prepare(PrepareRequest("k", parent, cancel))
    assert [info.name for info in driver.walk(Cancel())] == ["base"]
    assert not driver.leftovers(LeftoversRequest(NONE, Cancel()))


KILLED = """
import os, signal, sys
sys.path.insert(0, {src!r})
from conman_disk_storage import images
from conman_disk_storage.driver import DiskDriver
from conman_kernel.cancel import Cancel
from conman_kernel.slots.storage import CommitRequest, KeyRequest, PrepareRequest
driver = DiskDriver(images.Images("32m"), {state!r}, mount_options=(), sync=True)
left = {calls}
def trace(frame, event, argument):
    global left
    if frame.f_code.co_filename.startswith({watched!r}) and event == "line":
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
driver.prepare(PrepareRequest("k", "base", Cancel(30)))
driver.commit(CommitRequest("k", "next", Cancel(30)))
driver.remove(KeyRequest("next", Cancel(30)))
"""


def test_killed_at_any_line_it_is_whole_or_absent_and_the_next_clears_up(driver: DiskDriver, tmp_path: Path) -> None:
    base(driver)
    src = str(Path(__file__).resolve().parents[1] / "src")
    calls, died = 1, True
    while died:
        script = KILLED.format(src=src, state=str(tmp_path / "state"), calls=calls, watched=f"{src}/conman_disk_storage/driver.py")
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
        died = done.returncode == -signal.SIGKILL
        assert died or done.returncode == 0, done.stderr
        found = {info.name: info.kind for info in driver.walk(Cancel())}
        assert found.pop("base") == "committed" and set(found) <= {"k", "next"}
        for name in found:
            (folder,) = [f for f, meta in driver._records.all() if name in (meta.name, meta.key if not meta.name else "")]
            subprocess.run(["e2fsck", "-fn", f"{folder}/disk"], check=True, capture_output=True)
        driver.remove(KeyRequest("k", Cancel(30)))
        driver.remove(KeyRequest("next", Cancel(30)))
        driver.clear(LeftoversRequest(NONE, Cancel(30)))
        assert [info.name for info in driver.walk(Cancel())] == ["base"]
        assert len(os.listdir(tmp_path / "state" / "s")) == 1 and not list((tmp_path / "state" / "trash").glob("*"))
        calls += 3
    assert calls > 20
