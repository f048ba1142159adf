"""A store of its own, a registry whose images share layers, and what must hold of a store when all commands have ended."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import tempfile
from typing import Iterator

import pytest

from conman_kernel.testing.command import PATIENCE, Command
from conman_kernel.testing.images import Image, busybox_image, file, layer
from conman_kernel.testing.registry import Registry

MEMORY = "/dev/shm"


def _noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(200_000)


SHARED, TOPS = layer([file("shared", _noise(0))]), {name: layer([file(name, _noise(n))]) for n, name in enumerate(("one", "two"), 1)}


class Shop:
    """A registry with ``one`` and ``two``: the machine's busybox, a layer that both have, and one of each's own."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.made: dict[str, Image] = {name: busybox_image(extra=[SHARED, top]) for name, top in TOPS.items()}
        for name, image in self.made.items():
            registry.add_image(image, f"{name}:latest")

    def name(self, image: str) -> str:
        return f"{self.registry.host}/{image}:latest"

    def layers(self, image: str) -> list[str]:
        """The digests of an image's layers, lowest first."""
        made = self.made[image]
        manifest = json.loads(made.blobs[made.descriptor.digest])
        return [one["digest"] for one in manifest["layers"]]


@pytest.fixture
def shop() -> Iterator[Shop]:
    with Registry() as registry:
        yield Shop(registry)


@pytest.fixture
def command() -> Iterator[Command]:
    """The command with an empty store; its containers are removed at the end."""
    folder = tempfile.mkdtemp(prefix="cs-", dir=MEMORY)
    made = Command(folder)
    yield made
    made.clear()
    shutil.rmtree(folder)


def finish(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Exit code and standard error of a command that was begun; it never shows a traceback."""
    _, err = process.communicate(timeout=PATIENCE)
    text = err.decode()
    assert "Traceback" not in text and "has a defect" not in text, text
    return process.returncode, text


def sound(command: Command) -> list[str]:
    """Insist that a check finds nothing, and that every image that is there runs. :returns: their names."""
    report = json.loads(command("system", "check", "--max", "0s", "--format", "json").stdout)
    assert [found for found in report["Findings"] if found["Kind"] != "partial-stale"] == []
    names = [name for name in command.ok("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines() if "<none>" not in name]
    for name in names:
        assert command.ok("run", "--rm", name, "sh", "-c", "cat /shared /one /two 2>/dev/null | wc -c").strip() == "400000", name
    return names


