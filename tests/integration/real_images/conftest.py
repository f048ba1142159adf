"""A real Debian image on the reference registry, and conman and podman, each with it in a store of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.command import Command
from conman_kernel.testing.docker_registry import DockerRegistry, missing
from conman_kernel.testing.registry import Registry

from ..storage.conftest import loop_mounted
from . import debian_image

TOOL = Path(__file__).parents[3] / "tools/debian_root.py"
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
DRIVERS = ("overlay-storage", "vfs-storage")
LIMITS = ("--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000")
"""What every container gets, so that podman runs where hard limits cannot be raised."""


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A short-named folder in memory. Whatever is mounted below it at the end is unmounted."""
    folder = Path(tempfile.mkdtemp(prefix="ri-", dir=MEMORY))
    yield folder
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed(points):
        if point.startswith(f"{folder}/"):
            subprocess.run(["umount", "-l", point], check=True)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def layout(place: Path) -> Path:
    """The layout folder with the images of :data:`.debian_image.IMAGES`."""
    lacks = [program for program in ("umoci", "skopeo", "podman") if shutil.which(program) is None]
    if lacks:
        pytest.skip(f"not installed: {', '.join(lacks)}")
    done = subprocess.run([sys.executable, str(TOOL)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(done.stderr.strip())
    (place / "building").mkdir()
    debian_image.build(Path(done.stdout.strip()), place / "layout", place / "building")
    return place / "layout"


@pytest.fixture(scope="session")
def registry(place: Path, layout: Path) -> Iterator[DockerRegistry]:
    """``docker-registry`` with ``debian``: a tag for each of the images, and ``v2s2`` in Docker's format."""
    lacks = missing()
    if lacks:
        pytest.skip(lacks)
    (place / "registry").mkdir()
    with DockerRegistry(place / "registry") as made:
        for tag in debian_image.IMAGES:
            made.push(layout, tag, f"debian:{tag}")
        made.push(layout, debian_image.TAG, "debian:v2s2", format="v2s2")
        yield made


@pytest.fixture(scope="session")
def name(registry: DockerRegistry) -> str:
    """The reference of the image."""
    return f"{registry.host}/debian:{debian_image.TAG}"


class Podman:
    """Podman with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self._base = ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", "overlay",
                      "--runtime", "runc", "--cgroup-manager", "cgroupfs"]

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run([*self._base, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=120, check=False)

    def ok(self, *arguments: str) -> str:
        """Run it, insist on success, return its output."""
        done = self(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def close(self) -> None:
        """Remove everything."""
        self("rm", "--all", "--force", "--time", "0")
        self("image", "umount", "--all", "--force")
        self("system", "reset", "--force")


@pytest.fixture(scope="session")
def podman(place: Path, name: str) -> Iterator[Podman]:
    """A podman that holds the image."""
    made = Podman(place / "podman")
    made.ok("pull", "--quiet", "--tls-verify=false", name)
    yield made
    made.close()


@pytest.fixture
def fresh_podman() -> Iterator[Podman]:
    """A podman with an empty store."""
    if shutil.which("podman") is None:
        pytest.skip("not installed: podman")
    folder = Path(tempfile.mkdtemp(prefix="rp-", dir=MEMORY))
    made = Podman(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture
def loopback() -> Iterator[Registry]:
    """An empty embedded registry."""
    with Registry() as made:
        yield made


def pulled(folder: Path, driver: str, name: str) -> Command:
    """A conman with a store of its own, and the image in it."""
    made = Command(str(folder), {"CONMAN_STORAGE_DRIVER": driver})
    made.ok("pull", "--quiet", name)
    return made


@pytest.fixture(scope="session", params=[*DRIVERS, "btrfs-storage"])
def each(request: pytest.FixtureRequest, place: Path, name: str) -> Iterator[Command]:
    """A conman that holds the image, once for each storage driver."""
    with ExitStack() as stack:
        folder = place / request.param
        if request.param == "btrfs-storage":
            stack.enter_context(loop_mounted("btrfs", folder, 1 << 30))
        made = pulled(folder, request.param, name)
        yield made
        made.clear()


@pytest.fixture(scope="session")
def conman(place: Path, name: str) -> Iterator[Command]:
    """A conman that holds the image in the default storage driver."""
    made = pulled(place / "conman", DRIVERS[0], name)
    yield made
    made.clear()


@pytest.fixture
def fresh() -> Iterator[Command]:
    """A conman with an empty store."""
    folder = tempfile.mkdtemp(prefix="rf-", dir=MEMORY)
    made = Command(folder)
    yield made
    made.clear()
    shutil.rmtree(folder)


def shown(conman: Command, image: str) -> tuple[str, str]:
    """A new container of the image, never started, and where its root file system is mounted."""
    container = conman.ok("create", "--quiet", "--pull", "never", image, "true").strip()
    return container, conman.ok("mount", container).strip()


def digest_of(layout: Path, tag: str) -> str:
    """The digest of what a tag of the layout names."""
    return debian_image.described(layout, tag).digest


def image_id(layout: Path) -> str:
    """The id of the image, from its manifest."""
    blob = layout / "blobs/sha256" / digest_of(layout, debian_image.TAG).partition(":")[2]
    found: str = json.loads(blob.read_bytes())["config"]["digest"]
    return found.partition(":")[2]


def one_error(text: str) -> str:
    """The one line with ``Error:``; what a pull is doing may come before it, one hint after it, and nothing else.

    :raises AssertionError: it is not so.
    """
    lines = [line for line in text.splitlines() if not line.startswith(("Trying to pull ", "Copying "))]
    assert lines and lines[0].startswith("Error: ") and len(lines) <= 2, text
    assert len(lines) == 1 or lines[1].startswith("Hint: "), text
    return lines[0]
