"""Containers keep the storage and runtime they were made with, whatever the default is now; and a plugin that is not installed any
more, though containers and images need it: told with their names, and nothing of them is stuck."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from conman_kernel.testing.command import Command

from .conftest import V1_ONLY

HIDING = """
import importlib.metadata as metadata
_all = metadata.distributions
def _some(**context):
    return (d for d in _all(**context) if d.metadata["Name"] not in {names!r})
metadata.distributions = _some
"""


def without(store: Command, *distributions: str) -> Command:
    """The same store where some distributions are not installed: their metadata is not found, as after ``pip uninstall``."""
    site = Path(store.folder, "hiding-" + "-".join(distributions))
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(HIDING.format(names=distributions))
    return Command(store.folder, {"PYTHONPATH": str(site)})


def one_line(done: subprocess.CompletedProcess[str], *words: str, code: int = 125) -> None:
    lines = done.stderr.splitlines()
    assert done.returncode == code and lines[0].startswith("Error: ") and len(lines) <= 2, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_a_container_keeps_its_storage_after_a_swap(store: Command, box: str) -> None:
    store.ok("create", "--name", "old", box, "sh", "-c", "echo x >> /n; wc -l < /n; trap 'exit 0' TERM; while :; do sleep 0.1; done")
    config = Path(store.folder, "config/conman/conman.toml")
    config.parent.mkdir(parents=True)
    config.write_text(f'[machine."{os.uname().nodename}"]\nstorage.driver = "vfs-storage"\n')
    assert store.ok("run", "--rm", box, "sh", "-c", "grep -c ' / overlay' /proc/mounts || true") == "0\n"
    store.ok("start", "old")
    store.ok("run", "-d", "--name", "new", box, "sleep", "100")
    assert store.ok("exec", "old", "sh", "-c", "grep -c ' / overlay' /proc/mounts") == "1\n"
    rows = {row["Names"][0]: (row["Storage"], row["Runtime"]) for row in json.loads(store.ok("ps", "-a", "--format", "json"))}
    assert rows == {"old": ("overlay-storage", "runc-runtime"), "new": ("vfs-storage", "runc-runtime")}
    assert store.ok("ps", "-a", "--filter", "storage=vfs-storage", "--format", "{{.Names}} {{.Storage}}") == "new vfs-storage\n"
    assert store.ok("ps", "-a", "--filter", "runtime=crun-runtime", "--format", "{{.Names}}") == ""
    store.ok("stop", "-t", "5", "old")
    where = store.ok("mount", "old").strip()
    assert Path(where, "n").read_text() == "x\n"
    store.ok("umount", "old")
    store.ok("commit", "-q", "old", "localhost/made:1")
    assert store.ok("run", "--rm", "localhost/made:1", "cat", "/n") == "x\n"
    store.ok("rm", "-f", "-t", "0", "old", "new")


def test_a_container_keeps_its_runtime_after_a_swap(store: Command, box: str) -> None:
    def there(*arguments: str, **environ: str) -> str:
        done = subprocess.run(["unshare", "-m", "sh", "-c", V1_ONLY, "sh", *store.argv(*arguments)], capture_output=True, text=True,
                              env={**store.environ, **environ}, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    there("run", "-d", "--name", "old", box, "sleep", "100")
    there("run", "-d", "--name", "new", box, "sleep", "100", CONMAN_RUNTIME_NAME="crun-runtime")
    shown = there("ps", "--format", "{{.Names}} {{.Runtime}}", CONMAN_RUNTIME_NAME="crun-runtime")
    assert sorted(shown.splitlines()) == ["new crun-runtime", "old runc-runtime"]
    assert there("ps", "--filter", "runtime=crun-runtime", "--format", "{{.Names}}") == "new\n"
    for name in ("old", "new"):
        for default in ("crun-runtime", "runc-runtime"):
            assert there("exec", name, "echo", name, CONMAN_RUNTIME_NAME=default) == f"{name}\n"
    there("stop", "-t", "0", "old", "new", CONMAN_RUNTIME_NAME="crun-runtime")
    there("start", "old", "new", CONMAN_RUNTIME_NAME="crun-runtime")
    assert there("inspect", "--format", "{{.OCIRuntime}}", "old").strip() == "runc-runtime"
    there("rm", "-f", "-t", "0", "old", "new")


def test_a_storage_that_is_gone_is_named_and_nothing_is_stuck(store: Command, box: str) -> None:
    store.ok("--storage-driver", "vfs-storage", "create", "--name", "web", box, "true")
    store.ok("create", "--name", "other", box, "true")
    gone = without(store, "conman-vfs-storage")
    assert gone.ok("ps", "-a", "--format", "{{.Names}}").split() == ["web", "other"]
    assert gone.ok("inspect", "--format", "{{.Name}}", "web") == "web\n"
    for words in (("start", "web"), ("mount", "web"), ("commit", "web", "x:1"), ("diff", "web")):
        one_line(gone(*words), "web", "vfs-storage", "pip install conman-vfs-storage")
    done = gone("doctor")
    assert done.returncode == 1 and "vfs-storage" in done.stdout and "container web" in done.stdout
    done = gone("plugin", "ls", "--quiet")
    assert "vfs-storage" not in done.stdout and "vfs-storage (conman.storage) is not installed, and needed by container web" in done.stderr
    assert gone.ok("start", "-a", "other") == ""
    done = gone("rm", "web")
    assert done.stdout == "web\n" and done.returncode == 0
    assert "stay behind" in done.stderr and f"{store.root}/plugins/vfs-storage" in done.stderr
    assert gone.ok("ps", "-a", "--format", "{{.Names}}") == "other\n"
    gone.ok("rm", "other")
    done = gone("rmi", box)
    assert done.returncode == 0 and "layers stay behind" in done.stderr, done.stderr
    assert store("system", "check").returncode == 1
    store.ok("system", "check", "--repair", "--max", "0s")
    assert "nothing wrong" in store.ok("system", "check")


def test_a_runtime_that_is_gone_under_a_running_container(store: Command, box: str) -> None:
    store.ok("run", "-d", "--name", "web", box, "sleep", "100")
    gone = without(store, "conman-runc-runtime")
    one_line(gone("exec", "web", "true"), "web", "runc-runtime")
    one_line(gone("stop", "-t", "5", "web"), "web", "runc-runtime", "rm --force web")
    assert gone.ok("ps", "--format", "{{.Names}} {{.State}}") == "web running\n"
    assert gone("rm", "-f", "web").stdout == "web\n"
    assert store.ok("ps", "-a", "-q") == ""
    assert not os.path.isdir(f"{store.run_root}/runtimes/runc-runtime") or os.listdir(f"{store.run_root}/runtimes/runc-runtime") == []
