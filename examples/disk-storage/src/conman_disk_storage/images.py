"""Disk images: sparse files with an ext4 in them, made empty or copied."""

from __future__ import annotations

import os
import re

from conman_kernel.cancel import Cancel
from conman_kernel.errors import ConfigError, Unavailable
from conman_kernel.slots.provider import Unavailable as NotHere
from conman_kernel.support.copying import copy_data
from conman_kernel.support.oci_features import query
from conman_kernel.support.oci_runtime import find_program

TOOLS = ("mkfs.ext4", "debugfs")
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
SMALLEST = 16 << 20

# Big attributes are allowed (without ea_inode all of a file's have to fit into one block); tables are not written before they
# are needed, and nothing is kept back for root, whose all of this is; a small journal, as every copy copies it.
FEATURES = ("-q", "-F", "-m", "0", "-J", "size=4", "-O", "ea_inode",
            "-E", "lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0")


def lacking() -> NotHere | None:
    """Which fact of this host is missing, if any."""
    for tool in TOOLS:
        if not find_program(tool):
            return NotHere(f"there is no {tool}", hint="install e2fsprogs")
    if not os.path.exists("/dev/loop-control"):
        return NotHere("this kernel has no loop devices", hint="modprobe loop; a container that conman runs in needs the devices")
    return None


class Images:
    """Makes disk images.

    Args:
        size: bytes of a new one, with a unit: ``512m``.
    Raises:
        ConfigError: that is no size, or too small for anything.
    """

    def __init__(self, size: str) -> None:
        read = re.fullmatch(r"([1-9][0-9]{0,14})([kmgt]?)b?", size.strip().lower())
        self._size = int(read[1]) * UNITS[read[2]] if read else 0
        if not SMALLEST <= self._size <= 16 << 40:
            raise ConfigError(f"plugin.disk-storage.size: {size!r} is no size from 16m to 16t")

    def empty(self, path: str, cancel: Cancel) -> None:
        """Make a disk whose root is empty, 0755 root:root.

        Raises:
            Unavailable: the tools fail, or the disk that it lies on is full.
        """
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, self._size)
        finally:
            os.close(fd)
        _run([find_program("mkfs.ext4"), *FEATURES, path], cancel)
        # An image of a layer must not show a folder that no layer has.
        _run([find_program("debugfs"), "-w", "-R", "rmdir lost+found", path], cancel)

    def copy(self, source: str, target: str, cancel: Cancel) -> None:
        """Copy a disk: its blocks shared where the file system can, its holes kept.

        Raises:
            OSError: whatever the system says.
        """
        read = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            write = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                copy_data(read, write, os.fstat(read), cancel)
            finally:
                os.close(write)
        finally:
            os.close(read)


def inodes_used(path: str) -> int:
    """How many inodes the files in a disk take, its root counted (the kernel's Documentation/filesystems/ext4/super.rst).

    Raises:
        OSError: whatever the system says.
    """
    with open(path, "rb") as file:
        head = os.pread(file.fileno(), 88, 1024)
    every, free, first = (int.from_bytes(head[at:at + 4], "little") for at in (0x0, 0x10, 0x54))
    return every - free - (first - 2)  # of those before the first, the root alone is of use


def _run(argv: list[str], cancel: Cancel) -> None:
    code, said = query(argv, cancel)
    if code:
        raise Unavailable(f"{os.path.basename(argv[0])} fails: {' '.join(said.split()) or f'exit code {code}'}")
