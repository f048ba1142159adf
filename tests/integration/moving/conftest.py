"""Images between places: a store with an image, the places of every kind, and what a place holds according to others."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman
from conman_kernel.oci.digest import digest_of
from conman_kernel.oci.platform import Platform
from conman_kernel.testing import images
from conman_kernel.testing.images import file, layer
from conman_kernel.testing.registry import Registry

KINDS = ("docker", "oci", "oci-archive", "docker-archive", "dir", "store")
ONE = layer([file("one", os.urandom(300_000))])
OCI = images.image([ONE, layer([file("two", b"2" * 1000)]), ONE], config={"Cmd": ["true"]})
DOCKER = images.image([ONE], docker=True)
ARM = images.image([layer([file("arm", b"a")])], platform=Platform("linux", "arm64"))
BOTH = images.index([OCI, ARM])


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A short-named folder in memory."""
    folder = Path(tempfile.mkdtemp(prefix="mv-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """A loopback registry with the images of this file."""
    with Registry() as made:
        made.add_image(OCI, "oci:1")
        made.add_image(DOCKER, "docker:1")
        made.add_image(BOTH, "both:1")
        yield made


class Desk:
    """A store, and places of every kind beside it."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self.folder, self.registry = folder, registry
        (folder / "conman.toml").write_text("")
        self.conman = Conman(root=str(folder / "store/root"), run_root=str(folder / "store/run"),
                             config=str(folder / "conman.toml"), environ={"CONMAN_CONTAINERS_NETWORK": "none"}, log=logging.getLogger("moving"))
        self._count = 0

    def somewhere(self, kind: str, name: str = "") -> str:
        """A place of a kind that nothing is at yet."""
        self._count += 1
        if kind in ("docker", "store"):
            return f"{'docker://' + self.registry.host + '/' if kind == 'docker' else 'store:registry.example/'}place{self._count}:1"
        return f"{kind}:{self.folder}/place{self._count}" + (f":{name}" if name else "")

    def manifest(self, at: str) -> str:
        """The digest of the manifest or index at a place, as skopeo reads it where it can."""
        kind = at.partition(":")[0]
        if kind == "store":
            return self.conman.images.get(at.removeprefix("store:")).digest
        if kind == "docker-archive":  # skopeo calls plain layers compressed, and so makes another manifest of it
            return self.conman.images.copy(at, self.somewhere("dir")).digest
        extra = ["--tls-verify=false"] if kind == "docker" else []
        return digest_of(subprocess.run(["skopeo", "inspect", "--raw", *extra, at], check=True, capture_output=True, timeout=60).stdout)

    def whole(self, at: str) -> None:
        """All of an image's blobs are there, and sound: it can be unpacked."""
        found = self.conman.images.copy(at, self.somewhere("store"))
        assert self.conman.images.get(f"{found.digest}").layers


@pytest.fixture(scope="module")
def desk(place: Path, registry: Registry) -> Iterator[Desk]:
    made = Desk(place, registry)
    yield made
    made.conman.close()
