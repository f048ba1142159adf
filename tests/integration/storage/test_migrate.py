"""``conman storage``: real containers, by real runc, move from driver to driver and go on with what they had."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command
from conman_kernel.testing.images import busybox_image
from conman_kernel.testing.registry import Registry
from conman_kernel.testing.trees import Entry, read_tree

from .conftest import loop_mounted

NAMES = ("overlay-storage", "vfs-storage", "btrfs-storage")
CHANGES = """
echo mine > /data; ln /data /again; ln -s /data /soft; rm /etc/group; mkdir -p /srv/a/b; mkfifo /srv/a/pipe
chown 7:8 /etc/passwd; chmod 600 /etc/passwd; mknod /srv/null c 1 3; rm -r /home 2>/dev/null; echo x > /srv/a/b/file
touch -d '2001-02-03 04:05:06' /srv/a
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    with Registry() as registry:
        registry.add_image(busybox_image(), "box:latest")
        yield f"{registry.host}/box:latest"


@pytest.fixture
def disk() -> Iterator[Path]:
    """A btrfs, which holds every driver's state."""
    folder = Path(tempfile.mkdtemp(prefix="cm-", dir="/dev/shm"))
    try:
        with loop_mounted("btrfs", folder / "disk") as mounted:
            yield mounted
    finally:
        shutil.rmtree(folder)


class Box:
    """A command over a store on the disk, with a container ``box`` that changed much."""

    def __init__(self, folder: Path, image: str, driver: str) -> None:
        self.command = Command(str(folder), {"CONMAN_STORAGE_DRIVER": driver})
        self.ok = self.command.ok
        self.image = image
        self.ok("run", "--name", "box", "--network", "none", image, "sh", "-c",
                f"test -e /seen && exec cat /data; touch /seen; {CHANGES}")

    def tree(self) -> dict[str, Entry]:
        place = self.ok("mount", "box").strip()
        try:
            return read_tree(place)
        finally:
            self.ok("umount", "box")

    def drivers(self) -> list[str]:
        return [line["Driver"] for line in json.loads(self.ok("storage", "ls", "--format", "json")) if line["Containers"]]

    def is_sound(self) -> bool:
        return self.ok("system", "check").endswith("\nnothing wrong\n")

    def left(self, driver: str) -> list[str]:
        folder = Path(self.command.root, "plugins", driver, "s")
        return sorted(os.listdir(folder)) if folder.is_dir() else []


@pytest.mark.slow
def test_round_through_every_driver(disk, image):
    box = Box(disk, image, NAMES[0])
    before = box.tree()
    assert before["again"].links == ("again", "data") and before["etc/passwd"].uid == 7
    for source, to in zip(NAMES, (*NAMES[1:], NAMES[0])):
        said = box.command("storage", "migrate", "--to", to)
        assert said.returncode == 0 and said.stdout == f"1 image and 1 container moved to {to}\n", said.stderr
        assert f"Moved container box: from {source}\n" in said.stderr
        after = box.tree()
        assert after == before and box.left(source) == [] and box.drivers() == [to]
        assert json.loads(box.ok("inspect", "box"))[0]["Driver"] == to
        assert box.ok("start", "--attach", "box") == "mine\n", "it starts with its data"
        assert "etc/group" not in after and box.is_sound()
        assert box.ok("run", "--rm", "--network", "none", "--pull", "never", image, "cat", "/etc/group",
                      CONMAN_STORAGE_DRIVER=to)
        before = box.tree()
    box.command.clear()


def test_what_runs_is_in_the_way(disk, image):
    box = Box(disk, image, "btrfs-storage")
    box.ok("run", "--detach", "--name", "web", "--network", "none", image, "sleep", "100")
    box.ok("run", "--detach", "--name", "db", "--network", "none", image, "sleep", "100")
    refused = box.command("storage", "migrate", "--to", "vfs-storage")
    assert refused.returncode == 125 and refused.stderr.startswith("Error: cannot migrate while containers run: web, db\n")
    assert "Hint: stop them" in refused.stderr and refused.stdout == "" and box.left("vfs-storage") == []
    box.ok("stop", "--time", "0", "web", "db")
    box.ok("storage", "migrate", "--to", "vfs-storage")
    assert box.drivers() == ["vfs-storage"] and box.ok("start", "--attach", "box") == "mine\n"
    box.command.clear()


@pytest.mark.parametrize("words, line", [
    ((), "Error: --to is missing"),
    (("--to", "ghost"), "Error: no plugin ghost for conman.storage is installed"),
    (("--to", "vfs-storage", "--from", "vfs-storage"), "Error: vfs-storage is where from and where to"),
    (("--to", "btrfs-storage"), "Error: btrfs-storage"),
    (("--to", "vfs-storage", "--from", "ghost"), "Error: no plugin ghost for conman.storage is installed"),
], ids=["nothing", "unknown", "the-same", "unavailable", "unknown-source"])
def test_one_clear_line(scratch_folder, image, words, line):
    command = Command(str(scratch_folder), {"CONMAN_STORAGE_DRIVER": "overlay-storage"})
    command.ok("pull", "--quiet", image)
    done = command("storage", "migrate", *words)
    assert done.returncode == 125 and done.stderr.splitlines()[0].startswith(line) and len(done.stderr.splitlines()) <= 2, done.stderr
    assert done.stdout == ""
    command.clear()


def test_a_full_disk_loses_nothing(scratch_folder, image):
    """The disk holds the image once, and its blob, but not twice."""
    disk = scratch_folder / "small"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
    try:
        box = Box(disk, image, "overlay-storage")
        before = box.tree()
        fill = disk / "fill"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
        with open(fill, "wb") as file:
            file.write(bytes(free - (1 << 20)))
        done = box.command("storage", "migrate", "--to", "vfs-storage", "--quiet")
        assert done.returncode == 125 and "no space left on device" in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr
        assert box.tree() == before and box.drivers() == ["overlay-storage"]
        fill.unlink()
        box.ok("storage", "migrate", "--to", "vfs-storage")
        assert box.tree() == before and box.ok("start", "--attach", "box") == "mine\n" and box.is_sound()
        box.command.clear()
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_killed_at_any_moment_the_same_command_goes_on(disk, image):
    box = Box(disk, image, "overlay-storage")
    for name in ("one", "two", "three"):
        box.ok("create", "--name", name, image, "true")
    before, source, to, kills = box.tree(), NAMES[0], NAMES[2], 0
    for number in range(12):
        began = time.monotonic()
        running = box.command.start("storage", "migrate", "--to", to)
        with running:
            # spread over the time that the whole takes, most of it after the start of the interpreter
            try:
                running.wait(timeout=0.05 + 0.06 * number)
            except subprocess.TimeoutExpired:
                os.kill(running.pid, signal.SIGKILL)
                kills += 1
            running.communicate()
        assert box.tree() == before, f"killed after {time.monotonic() - began:.2f}"
        if running.returncode == 0:
            source, to = to, source
    assert kills >= 3
    box.ok("storage", "migrate", "--to", to)
    assert box.tree() == before and box.drivers() == [to] and box.ok("start", "--attach", "box") == "mine\n"
    box.ok("system", "check", "--repair", "--max", "0s")
    assert box.left(source) == [] and box.is_sound()
    box.command.clear()


def test_what_is_shown(disk, image):
    box = Box(disk, image, "vfs-storage")
    would = box.command("storage", "migrate", "--to", "btrfs-storage", "--dry-run")
    assert would.stdout == "1 image and 1 container would move to btrfs-storage\n"
    assert would.stderr.splitlines() == [f"Would move image {image}: 1 layers, from their kept blobs",
                                         "Would move container box: from vfs-storage"]
    lines = [line.split() for line in box.ok("storage", "ls").splitlines()]
    assert lines[0] == ["DRIVER", "DEFAULT", "IMAGES", "LAYERS", "CONTAINERS", "SIZE"]
    assert [line[0] for line in lines[1:]] == ["vfs-storage"] and lines[1][1:5] == ["yes", "1", "1", "1"]
    moved = box.command("storage", "migrate", "--to", "btrfs-storage", "--format", "json")
    report = json.loads(moved.stdout)
    assert report["To"] == "btrfs-storage" and report["From"] == ["vfs-storage"] and report["RemovedLayers"] == 1
    assert 'New containers and pulls still go to vfs-storage: set [storage] driver = "btrfs-storage"' in moved.stderr
    shown = {line["Driver"]: line for line in json.loads(box.ok("storage", "ls", "--format", "json"))}
    assert shown["btrfs-storage"]["Containers"] == 1 and shown["vfs-storage"]["Default"] is True
    box.command.clear()


def test_a_container_in_a_subvolume_runs_takes_commands_and_is_committed(disk, image):
    box = Box(disk, image, "btrfs-storage")
    box.ok("run", "--detach", "--name", "web", "--network", "none", image, "sh", "-c", "echo kept > /made; rm /etc/group; sleep 100")
    box.ok("exec", "web", "sh", "-c", "until test -e /made && ! test -e /etc/group; do :; done; echo more > /more; ln /more /same")
    made = box.ok("commit", "--quiet", "web").strip().rpartition(":")[2]
    box.ok("rm", "--force", "--time", "0", "web")
    shown = box.ok("run", "--rm", "--network", "none", "--pull", "never", made, "sh", "-c", "cat /made /same; ls /etc")
    assert shown.startswith("kept\nmore\n") and "group" not in shown
    assert box.left("btrfs-storage") and box.is_sound()
    box.ok("rm", "box")
    box.ok("rmi", "--all", "--force")
    assert box.left("btrfs-storage") == []
    box.command.clear()
