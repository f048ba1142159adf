"""A folder in memory."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Iterator

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="csup-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)
