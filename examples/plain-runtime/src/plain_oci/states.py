"""What is known of a container between two commands: a folder ROOT/ID with ``state.json``, and the socket ``start``."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import NamedTuple

from .failure import Failure
from .spec import read


class State(NamedTuple):
    """One container."""

    folder: str
    id: str
    pid: int
    started: int
    bundle: str
    annotations: dict[str, str]

    def status(self) -> str:
        """As the specification has it: created, running, stopped."""
        if start_time(self.pid) != self.started:
            return "stopped"
        try:
            return "created" if os.readlink(f"/proc/{self.pid}/exe").startswith("/memfd:plain-oci") else "running"
        except OSError:
            return "stopped"


def folder_of(root: str, id: str) -> str:
    """Where a container's state lies. Raises: Failure where that is no id."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,1023}", id):
        raise Failure(f"{id!r} is no id")
    return os.path.join(root, id)


def load(root: str, id: str) -> State:
    """Raises: Failure where there is no such container."""
    folder = folder_of(root, id)
    if not os.path.exists(f"{folder}/state.json"):
        raise Failure(f"container {id} does not exist")
    found = read(f"{folder}/state.json")
    return State(folder, id, found["pid"], found["started"], found["bundle"], found["annotations"])


def save(state: State) -> None:
    """Write it, whole or not at all."""
    document = {"pid": state.pid, "started": state.started, "bundle": state.bundle, "annotations": state.annotations}
    replace(f"{state.folder}/state.json", json.dumps(document))


def replace(path: str, text: str) -> None:
    """Write a file that appears whole."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(f"{path}.new", path)


def forget(folder: str) -> None:
    """Remove a container's folder; nothing there is no error."""
    shutil.rmtree(folder, ignore_errors=True)


def start_time(pid: int) -> int:
    """When a process was started, in ticks since boot; -1 where it is gone or dead: pids are used again, this is not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return -1
    return -1 if fields[0] in (b"Z", b"X") else int(fields[19])
