"""overlay-storage with more layers than one page of mount options holds, by each way that a kernel may offer."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from conman_kernel import mounts
from conman_kernel.cancel import Cancel
from conman_kernel.errors import Unavailable
from conman_kernel.slots.storage import CommitRequest, KeyRequest, Mount, PrepareRequest, StorageDriver

from .conftest import Store, open_driver

NAMES = [f"sha256:{sha256(bytes([index % 256, index // 256])).hexdigest()}" for index in range(502)]


def add(driver: StorageDriver, index: int) -> None:
    """One layer: a file of its own, one that every layer writes anew, and the deletion of what lies ten below."""
    made = driver.prepare(PrepareRequest("unpack", NAMES[index - 1] if index else None, Cancel(60))).layer_path
    assert made is not None
    Path(made, f"own{index}").write_text(str(index))
    Path(made, "top").write_text(str(index))
    if index >= 10:
        os.mknod(f"{made}/own{index - 10}", 0o20000, 0)
    driver.commit(CommitRequest("unpack", NAMES[index], Cancel(60)))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> StorageDriver:
    """It holds 500 layers."""
    made = open_driver("overlay", tmp_path_factory.mktemp("layers") / ("state-" + "x" * 30), sync=False)
    for index in range(500):
        add(made, index)
    return made


@pytest.fixture(params=["lowerdir+", "numbers"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """``lowerdir+`` is this kernel's (6.5 and newer); ``numbers`` what an older one is left with."""
    if request.param == "numbers":
        monkeypatch.setattr(mounts, "_fsmount_overlay", lambda *_: errno.EINVAL)
    elif tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 5):
        monkeypatch.setattr(mounts, "_mount_by_numbers", lambda *_: pytest.fail("lowerdir+ was not taken"))
    else:
        pytest.skip("Linux before 6.5 has no lowerdir+")
    return str(request.param)


@pytest.mark.parametrize("count", [60, 127, 200, 500])
def test_every_layer_is_seen_and_written_on(driver, way, count, scratch_folder):
    store = Store(driver, scratch_folder)
    driver.prepare(PrepareRequest("box", NAMES[count - 1], Cancel(60)))
    driver.view(PrepareRequest("look", NAMES[count - 1], Cancel(60)))
    try:
        for key in ("look", "box"):
            with store.shown(key) as target:
                assert sorted(os.listdir(target)) == sorted(["top", *(f"own{n}" for n in range(count - 10, count))])
                assert Path(target, "top").read_text() == str(count - 1)
                if key == "box":
                    Path(target, "top").write_text("mine")
                    Path(target, f"own{count - 10}").unlink()
                else:
                    with pytest.raises(OSError, match="Read-only"):
                        Path(target, "new").write_text("")
        with store.shown("box") as target:
            assert Path(target, "top").read_text() == "mine" and not Path(target, f"own{count - 10}").exists()
    finally:
        driver.remove(KeyRequest("box", Cancel(60)))
        driver.remove(KeyRequest("look", Cancel(60)))


def test_the_layer_that_nothing_could_show_is_refused(driver):
    with pytest.raises(Unavailable, match="a layer above 500 others, and overlayfs shows 500 at most") as caught:
        add(driver, 500)
    assert "vfs-storage" in caught.value.hint
    driver.remove(KeyRequest("unpack", Cancel(60)))


def test_more_than_the_kernel_takes_is_said(scratch_folder, way):
    """What a plugin asks for that knows no bound."""
    for index in range(501):
        (scratch_folder / str(index)).mkdir()
    target = scratch_folder / "target"
    target.mkdir()
    lower = ":".join(str(scratch_folder / str(index)) for index in range(501))
    with pytest.raises(Unavailable, match="501 lower folders are more than the 500 that overlayfs takes"):
        mounts.mount_all([mounts_of(lower)], str(target))
    assert not mounts.is_mounted(str(target))


def test_a_missing_layer_is_named(scratch_folder, way):
    for index in range(100):
        (scratch_folder / f"{index}-{'x' * 40}").mkdir()
    (scratch_folder / "target").mkdir()
    folders = [str(scratch_folder / f"{index}-{'x' * 40}") for index in range(101)]
    with pytest.raises(Unavailable, match="no such file or directory") as caught:
        mounts.mount_all([mounts_of(":".join(folders))], str(scratch_folder / "target"))
    assert f"100-{'x' * 40}" in caught.value.message


def test_few_descriptors_allowed_are_said_in_one_line(scratch_folder):
    """500 folders are held open for a moment; a host that allows fewer is told so."""
    program = ("import os, resource, sys\nfrom conman_kernel import mounts\nfrom conman_kernel.errors import ConmanError\n"
               "from conman_kernel.slots.storage import Mount\n"
               "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n"
               "lower = ':'.join(f'{sys.argv[1]}/{n}' + 'x' * 60 for n in range(100))\n"
               "try: mounts.mount_all([Mount('overlay', 'overlay', ('ro', 'lowerdir=' + lower))], sys.argv[1] + '/target')\n"
               "except ConmanError as error: print(error.message)\n")
    for index in range(100):
        (scratch_folder / f"{index}{'x' * 60}").mkdir()
    (scratch_folder / "target").mkdir()
    done = subprocess.run([sys.executable, "-c", program, scratch_folder], capture_output=True, text=True, check=True)
    assert done.stderr == "" and "too many open files" in done.stdout and done.stdout.count("\n") == 1


def mounts_of(lower: str) -> Mount:
    return Mount("overlay", "overlay", ("ro", f"lowerdir={lower}"))
