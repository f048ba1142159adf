"""Which file system holds a folder, for the probes of storage drivers."""

from __future__ import annotations

import os


def file_system(folder: str) -> str:
    """The type of the file system that holds ``folder``, as in mountinfo; ``""`` where that does not tell."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="utf-8") as info:
            mount = next((line.split()[1] for line in info if line.startswith("mnt_id:")), "")
    finally:
        os.close(fd)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            if line.startswith(f"{mount} "):
                return line.rpartition(" - ")[2].split(" ", 1)[0]
    return ""


def nearest(path: str) -> str:
    """The folder ``path``, or the nearest one above it that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path) or "/"
    return path
