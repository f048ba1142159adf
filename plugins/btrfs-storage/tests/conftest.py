"""A btrfs of the tests' own, in a file through a loop device."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

import pytest

SIZE = 192 << 20


def _missing() -> str:
    if os.geteuid():
        return "mounting needs root"
    if shutil.which("mkfs.btrfs", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin") is None:
        return "no mkfs.btrfs here (make setup-dev installs it)"
    if "\tbtrfs\n" not in Path("/proc/filesystems").read_text() and subprocess.run(["modprobe", "btrfs"], capture_output=True).returncode:
        return "this kernel knows no btrfs"
    return ""


@pytest.fixture
def disk() -> Iterator[Path]:
    """The root folder of an empty btrfs; unmounted and gone afterwards."""
    lacks = _missing()
    if lacks:
        pytest.skip(lacks)
    folder = Path(tempfile.mkdtemp(prefix="conman-btrfs-"))
    image = folder / "image"
    try:
        with open(image, "wb") as file:
            file.truncate(SIZE)
        env = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
        subprocess.run(["mkfs.btrfs", "-q", image], check=True, capture_output=True, env=env)
        (folder / "disk").mkdir()
        subprocess.run(["mount", "-o", "loop", image, folder / "disk"], check=True)
        try:
            yield folder / "disk"
        finally:
            subprocess.run(["umount", folder / "disk"], check=True)
    finally:
        shutil.rmtree(folder)
