"""The two trees that every case begins with, and what a test sees of one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

WHEN = 1_000_000_000_123_456_789


def source(top: Path) -> None:
    """What is copied from: ``f``, ``d/x``, ``d/sub/y``, ``e/``, and links to a file, to a folder and to nothing."""
    (top / "d/sub").mkdir(parents=True)
    (top / "e").mkdir()
    (top / "f").write_text("file")
    (top / "d/x").write_text("x")
    (top / "d/sub/y").write_text("y")
    for name, target in (("lf", "f"), ("ld", "d"), ("dangling", "nowhere"), ("d/up", "../f")):
        (top / name).symlink_to(target)
    os.chmod(top / "d", 0o751)
    os.chown(top / "f", 9, 10)
    os.chown(top / "d", 7, 8)
    for name in ("f", "d"):
        os.utime(top / name, ns=(WHEN, WHEN))


def target(top: Path) -> None:
    """What is copied to."""
    for name in ("d", "f2/x", "full/d", "has/f", "hasl"):
        (top / name).mkdir(parents=True)
    (top / "f").write_text("old")
    (top / "d/keep").write_text("keep")
    (top / "full/e").write_text("clash")
    for name, goal in (("lf", "f"), ("ld", "d"), ("dangling", "new"), ("hasl/f", "../f"), ("hasl/d", "../d")):
        (top / name).symlink_to(goal)
    os.mkfifo(top / "fifo")


def seen(top: Path) -> dict[str, str]:
    """Every entry below a folder: content or target."""
    found = {}
    for here, folders, files in os.walk(top):
        for name in folders + files:
            path = Path(here, name)
            kind = stat.S_IFMT(path.lstat().st_mode)
            shown = str(path.relative_to(top))
            if kind == stat.S_IFLNK:
                found[shown] = f"-> {os.readlink(path)}"
            elif kind == stat.S_IFDIR:
                found[f"{shown}/"] = ""
            else:
                found[shown] = path.read_text() if kind == stat.S_IFREG else "special"
    return found
