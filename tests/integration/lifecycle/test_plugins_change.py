"""Other storage drivers and runtimes than the default: by configuration alone, and where they cannot work."""

from __future__ import annotations

import subprocess

from conman_kernel.testing.aftermath import differences, look, processes, wait_gone
from conman_kernel.testing.command import Command

from .conftest import V1_ONLY


def test_the_image_is_unpacked_again_from_kept_blobs(store: Command, box: str) -> None:
    store.ok("create", "--name", "old", box, "sh", "-c", "echo x >> /n; wc -l < /n")
    assert store.ok("start", "-a", "old") == "1\n"
    out = store("run", "--name", "new", box, "sh", "-c", "echo on vfs; grep -c ' / overlay' /proc/mounts",
                 CONMAN_STORAGE_DRIVER="vfs-storage").stdout
    assert out == "on vfs\n0\n"
    assert "vfs" in str(store.inspect("new")["Driver"])
    assert store.ok("start", "-a", "old", CONMAN_STORAGE_DRIVER="vfs-storage") == "2\n"
    assert store.ok("rm", "new", "old") == "new\nold\n"
    assert store.ok("rmi", box)
    assert store.ok("images", "-q") == ""


def test_a_runtime_that_cannot_work_here_says_why(store: Command, box: str) -> None:
    before = look(store.root, store.run_root)
    done = store("--runtime", "crun-runtime", "run", "--rm", box, "true")
    if done.returncode == 0:
        return  # this host is one where it works
    lines = done.stderr.splitlines()
    assert done.returncode == 125 and lines[0].startswith("Error: ") and "crun" in lines[0] and len(lines) <= 2, done.stderr
    assert differences(before, store.root, store.run_root) == []


def test_the_other_runtime_where_it_works(store: Command, box: str) -> None:
    def there(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["unshare", "-m", "sh", "-c", V1_ONLY, "sh", *store.argv(*arguments)],
                              capture_output=True, text=True, env={**store.environ, "CONMAN_RUNTIME": "crun-runtime"}, timeout=60)

    assert there("run", "--rm", box, "true").returncode == 0
    assert wait_gone(set(processes(store.root, store.run_root)), 30.0)
    before = look(store.root, store.run_root)
    done = there("run", "--rm", box, "sh", "-c", "echo out; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, "out\n", "")
    done = there("run", "--rm", box, "nosuch")
    assert done.returncode == 127 and len(done.stderr.splitlines()) <= 2
    done = there("run", "--rm", box, "/etc")
    assert done.returncode == 126
    assert differences(before, store.root, store.run_root) == []
