"""A check, a repair and prunes beside containers that run, on the real registry client, drivers and runtime."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Iterator

import pytest

from conman_kernel.mounts import is_mounted
from conman_kernel.testing.images import busybox_image, file, layer
from conman_kernel.testing.registry import Registry


@pytest.fixture(scope="module")
def boxes() -> Iterator[str]:
    """A registry with ``box`` and ``more``, which has one layer on top of it."""
    with Registry() as registry:
        registry.add_image(busybox_image(), "box:latest")
        registry.add_image(busybox_image(extra=[layer([file("more", b"more")])]), "more:latest")
        yield registry.host


def findings(cli, *options: str) -> list[str]:
    done = cli("system", "check", "--max", "0s", "--format", "json", *options)
    return [found["Kind"] for found in json.loads(done.stdout)["Remaining"]]


@pytest.mark.parametrize("driver", ["overlay-storage", "vfs-storage"])
def test_nothing_is_wrong_while_containers_run(cli, boxes, driver):
    cli.environ["CONMAN_STORAGE_DRIVER"] = driver
    cli.ok("pull", "-q", f"{boxes}/more")
    cli.ok("run", "-d", "--name", "runs", f"{boxes}/box", "sleep", "600")
    cli.ok("create", "--name", "rests", "more", "true")
    held = cli.ok("mount", "rests").strip()
    assert findings(cli) == [] and findings(cli, "--verify-layers") == []
    cli.ok("system", "check", "--repair")
    assert is_mounted(held)
    assert cli.ok("exec", "runs", "cat", "/etc/os-release").startswith("ID=busybox")
    lines = cli.ok("system", "df").splitlines()
    assert lines[1].split()[1:3] == ["2", "2"] and lines[2].split()[1:3] == ["2", "1"]
    cli.ok("umount", "rests")
    done = cli.ok("system", "prune", "--all", "--force")
    assert "Deleted Containers" in done and "Deleted Images" in done
    assert cli.ok("exec", "runs", "echo", "on") == "on\n"
    assert cli.ok("ps", "--format", "{{.Names}}") == "runs\n"
    assert findings(cli) == []


def test_what_is_damaged_runs_again_after_a_repair(cli, boxes):
    cli.ok("pull", "-q", f"{boxes}/more")
    assert cli.ok("run", "--rm", "more", "cat", "/more") == "more"
    for blob in (cli.root / "blobs" / "sha256").iterdir():
        blob.write_bytes(b"garbage")
    for snapshot in (cli.root / "plugins" / "overlay-storage" / "s").glob("c*"):
        shutil.rmtree(snapshot)
    assert set(findings(cli)) == {"blob-altered", "layer-missing"}
    done = cli("system", "check", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cli.ok("run", "--rm", "more", "cat", "/more") == "more"
    assert findings(cli, "--verify-layers") == []


def test_mounts_and_folders_of_nobody_are_found_and_go(cli, boxes):
    cli.ok("pull", "-q", f"{boxes}/box")
    cli.ok("create", "--name", "rests", "box", "true")
    id = cli.ok("inspect", "--format", "{{.Id}}", "rests").strip()
    ghost = cli.run_root / "containers" / ("e" * 64) / "rootfs"
    idle = cli.run_root / "containers" / id / "rootfs"
    for point in (ghost, idle):
        point.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(point)], check=True)
    assert findings(cli) == ["container-folder", "mount-orphaned", "mount-orphaned"]
    done = cli("system", "check", "--repair")
    assert done.returncode == 0, done.stdout
    assert not ghost.parent.exists() and not is_mounted(str(idle))
    assert findings(cli) == []
    assert cli.ok("start", "--attach", "rests") == ""
