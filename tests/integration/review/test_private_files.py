"""Whatever umask a program runs with, and wherever its store lies: nobody else reads a secret or writes what root believes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import os, sys
os.umask(0)
from conman_kernel import Conman, ContainerOptions
with Conman(root=sys.argv[1], run_root=sys.argv[2], environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
    image = conman.images.pull(sys.argv[3])
    container = conman.containers.create(image, ContainerOptions(command=("sleep", "1000"), env=(("SECRET", "x"),)))
    container.start()
    print(container.id)
"""


def reachable(folder: Path) -> list[str]:
    """What somebody else may read or write below a folder that he may enter."""
    found = []
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            continue
        if mode & 0o077:
            found.append(f"{stat.filemode(mode)} {path}")
        if stat.S_ISDIR(mode) and mode & 0o011:
            found += reachable(path)
    return found


def test_a_store_in_a_folder_that_others_may_enter(scratch: Path, box: str) -> None:
    scratch.chmod(0o755)
    root, run = scratch / "root", scratch / "run"
    for folder in (root, run):
        folder.mkdir()
        folder.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", _PROGRAM, str(root), str(run), box], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    try:
        assert reachable(root) + reachable(run) == []
    finally:
        from conman_kernel import Conman

        with Conman(root=str(root), run_root=str(run), environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as conman:
            conman.containers.get(done.stdout.strip()).remove(force=True, timeout=0)
    assert os.listdir(run / "containers") == []
