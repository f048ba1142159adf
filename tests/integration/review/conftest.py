"""A store with the busybox image, used through the library, and a runtime that stops at a gate in its create."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman

_GATED = """#!/bin/sh
for word in "$@"; do
    case "$word" in
        create|run) echo here > "{folder}/reached"; read answer < "{folder}/gate"; break;;
    esac
done
exec runc "$@"
"""


@pytest.fixture
def store(scratch: Path, box: str) -> Iterator[Conman]:
    """A library user's store; what is left in it is removed."""
    with Conman(root=str(scratch / "root"), run_root=str(scratch / "run"), environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
        conman.images.pull(box)
        yield conman
        for container in conman.containers.list(all=True):
            container.remove(force=True, timeout=0)


class Gate:
    """Where the gated runtime waits in its create."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("reached", "gate"):
            os.mkfifo(folder / name)
        self.binary = folder / "gated-runc"
        self.binary.write_text(_GATED.format(folder=folder))
        self.binary.chmod(0o755)
        self.config = folder / "gated.toml"
        self.config.write_text(f'[plugin.runc-runtime]\nbinary = "{self.binary}"\n')

    def reached(self) -> None:
        """Wait until the runtime stands at the gate."""
        (self.folder / "reached").read_text()

    def open(self) -> None:
        """Let it go on."""
        (self.folder / "gate").write_text("go\n")


@pytest.fixture
def gate(scratch: Path) -> Gate:
    return Gate(scratch)


@pytest.fixture
def gated(scratch: Path, store: Conman, gate: Gate) -> Iterator[Conman]:
    """The same store with the gated runtime."""
    with Conman(root=str(scratch / "root"), run_root=str(scratch / "run"), config=str(gate.config), environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
        yield conman
