"""Every test here leaves the store as it was; the store and the other fixtures are those of the folder above. Some have another
one, which they may spoil."""

from __future__ import annotations

import shutil
import tempfile
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import look
from conman_kernel.testing.command import Command

from ..conftest import MEMORY

V1_ONLY = "mountpoint -q /sys/fs/cgroup/unified && umount /sys/fs/cgroup/unified; exec \"$@\""
"""For ``sh -c``: a host without the unified hierarchy, for runtimes that cannot do with both."""


@pytest.fixture(autouse=True)
def untouched(left_as_it_was: None) -> None:
    """See :func:`left_as_it_was`."""


@pytest.fixture
def store(box: str) -> Iterator[Command]:
    """A store of this test's own, with the image."""
    folder = tempfile.mkdtemp(prefix="cg-", dir=MEMORY)
    command = Command(folder)
    command.ok("pull", "-q", box)
    yield command
    command.clear()
    empty = look(command.root, command.run_root)
    assert not empty.mounts and not empty.processes
    shutil.rmtree(folder)
