"""The volumes of an empty store in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel import Conman
from conman_kernel.cancel import Cancel
from conman_kernel.processes import boot_id
from conman_kernel.volumes.service import Volumes


@pytest.fixture
def conman(scratch: Path) -> Iterator[Conman]:
    with Conman(root=f"{scratch}/root", run_root=f"{scratch}/run", overrides={"events.sinks": []}) as made:
        yield made


@pytest.fixture
def volumes(conman: Conman) -> Volumes:
    return conman.volumes


@pytest.fixture
def parts(volumes: Volumes):
    return volumes.parts


@pytest.fixture
def never() -> Cancel:
    return Cancel()


@pytest.fixture
def use(parts):
    """Make a container's row that has volumes: ``use(state, name, ...)`` gives its id."""
    def make(state: str, *names: str) -> str:
        id = os.urandom(32).hex()
        with parts.database.write() as db:
            db.execute("INSERT INTO containers (id, name, image_id, image_name, image_chain_id, state, created, storage, runtime, "
                       "options, process, boot_id) VALUES (?, ?, '', '', '', ?, 0, '', '', '{}', '{}', ?)",
                       (id, id[:8], state, boot_id()))
            for name in names:
                db.execute("INSERT INTO container_volumes VALUES (?, ?, ?)", (id, name, f"/{name}"))
        return id
    return make
