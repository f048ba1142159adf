"""Other storage drivers and runtimes than the default: by configuration alone, and where they cannot work."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import differences, look, processes, wait_gone
from conman_kernel.testing.command import Command

V1_ONLY = "mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified; exec \"$@\""


@pytest.fixture
def second(box: str) -> Iterator[Command]:
    """A store of its own with the image, in overlay."""
    folder = tempfile.mkdtemp(prefix="cs-", dir="/dev/shm")
    command = Command(folder)
    command.ok("pull", "-q", box)
    yield command
    command.clear()
    empty = look(command.root, command.run_root)
    assert not empty.mounts and not empty.processes
    shutil.rmtree(folder)


def test_the_image_is_unpacked_again_from_kept_blobs(second: Command, box: str) -> None:
    second.ok("create", "--name", "old", box, "sh", "-c", "echo x >> /n; wc -l < /n")
    assert second.ok("start", "-a", "old") == "1\n"
    out = second("run", "--name", "new", box, "sh", "-c", "echo on vfs; grep -c ' / overlay' /proc/mounts",
                 CONMAN_STORAGE_DRIVER="vfs-storage").stdout
    assert out == "on vfs\n0\n"
    assert "vfs" in str(second.inspect("new")["Driver"])
    assert second.ok("start", "-a", "old", CONMAN_STORAGE_DRIVER="vfs-storage") == "2\n"
    assert second.ok("rm", "new", "old") == "new\nold\n"
    assert second.ok("rmi", box)
    assert second.ok("images", "-q") == ""


def test_a_runtime_that_cannot_work_here_says_why(second: Command, box: str) -> None:
    before = look(second.root, second.run_root)
    done = second("--runtime", "crun-runtime", "run", "--rm", box, "true")
    if done.returncode == 0:
        return  # this host is one where it works
    lines = done.stderr.splitlines()
    assert done.returncode == 125 and lines[0].startswith("Error: ") and "crun" in lines[0] and len(lines) <= 2, done.stderr
    assert differences(before, second.root, second.run_root) == []


def test_the_other_runtime_where_it_works(second: Command, box: str) -> None:
    def there(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["unshare", "-m", "sh", "-c", V1_ONLY, "sh", *second.argv(*arguments)],
                              capture_output=True, text=True, env={**second.environ, "CONMAN_RUNTIME": "crun-runtime"}, timeout=60)

    assert there("run", "--rm", box, "true").returncode == 0
    assert wait_gone(set(processes(second.root, second.run_root)), 30.0)
    before = look(second.root, second.run_root)
    done = there("run", "--rm", box, "sh", "-c", "echo out; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "")
    done = there("run", "--rm", box, "nosuch")
    assert done.returncode == 127 and len(done.stderr.splitlines()) <= 2
    done = there("run", "--rm", box, "/etc")
    assert done.returncode == 126
    assert differences(before, second.root, second.run_root) == []
