"""``with image.mount() as path``: real layers, really mounted, gone with the block, the process, or the next command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from conman_kernel import Conman
from conman_kernel.cancel import Cancel
from conman_kernel.errors import InvalidState, NotFound
from conman_kernel.testing.aftermath import differences, look


def state(conman: Conman) -> tuple[str, str]:
    return conman.layout.root, conman.layout.run_root


def test_it_shows_the_tree_read_only_and_nothing_stays(store: Conman, box: str) -> None:
    (image,) = store.images.list()
    with image.mount():
        pass  # what the first use makes and keeps: a lock file, folders
    before = look(*state(store))
    with image.mount() as path, store.images.mount(box) as second:
        assert path != second
        assert os.path.exists(f"{path}/bin/busybox")
        assert sorted(os.listdir(path)) == sorted(os.listdir(second))
        with pytest.raises(OSError, match="Read-only"):
            Path(f"{path}/new").write_text("x")
    assert not os.path.exists(path)
    assert differences(before, *state(store)) == []


def test_an_error_in_the_block_unmounts_too(store: Conman, box: str) -> None:
    with pytest.raises(RuntimeError, match="in the block"), store.images.mount(box) as path:
        raise RuntimeError("in the block")
    assert not os.path.exists(path)


def test_it_is_entered_once_at_a_time(store: Conman, box: str) -> None:
    mounted = store.images.mount(box)
    with mounted as path:
        with pytest.raises(InvalidState, match="mounted by this object already"):
            mounted.__enter__()
        assert os.path.exists(f"{path}/bin")
    with mounted as path:
        assert os.path.exists(f"{path}/bin")


def test_a_removed_image_is_shown_to_the_end(store: Conman, box: str) -> None:
    (image,) = store.images.list()
    with image.mount() as path:
        image.remove()
        assert os.path.exists(f"{path}/bin/busybox")
    driver = store.images.parts.storage(store.images.parts.default_storage)
    assert list(driver.walk(Cancel())) == []
    with pytest.raises(NotFound, match="image not known"):
        image.mount().__enter__()


def test_a_killed_process_s_mount_goes_with_the_next_command(store: Conman, box: str) -> None:
    with store.images.mount(box):
        pass  # what the first use makes and keeps
    before = look(*state(store))
    program = ("import sys, time; from conman_kernel import Conman\n"
               "c = Conman(root=sys.argv[1], run_root=sys.argv[2], overrides={'storage.driver': sys.argv[4]})\n"
               "with c.images.mount(sys.argv[3]) as path:\n    print(path, flush=True); sys.stdin.read()\n")
    driver = store.images.parts.default_storage
    with subprocess.Popen([sys.executable, "-c", program, *state(store), box, driver], text=True, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        path = process.stdout.readline().strip()
        assert os.path.exists(f"{path}/bin/busybox")
        process.send_signal(signal.SIGKILL)
    assert os.path.exists(f"{path}/bin/busybox")
    found = {finding.kind for finding in store.system.check(quick=True).findings}
    assert "lease-dead" in found
    with store.images.mount(box) as other:
        assert other != path
        assert not os.path.exists(path)
    assert differences(before, *state(store)) == []
