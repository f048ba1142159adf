"""What several kits begin with: the plugin's options, and a folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Iterator, Mapping

import pytest

MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class ScratchBench:
    """The fixtures."""

    @pytest.fixture
    def options(self) -> Mapping[str, object]:
        """The plugin's ``[plugin.NAME]`` table; what is not in it has its default."""
        return {}

    @pytest.fixture
    def scratch(self) -> Iterator[Path]:
        """A folder of this test's own, in memory where that is possible."""
        folder = Path(tempfile.mkdtemp(prefix="kit-", dir=MEMORY))
        yield folder
        shutil.rmtree(folder)
