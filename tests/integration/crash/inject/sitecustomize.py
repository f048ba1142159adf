"""Found by an interpreter through PYTHONPATH: sends it a signal at the N-th step, or counts the steps.

A step is a line of conman's own code that is reached for the first time, outside of module bodies, in any thread. So
the steps of one command are the same every time, but for where threads take turns.

``CONMAN_TEST_STEP`` is N (0: never), ``CONMAN_TEST_SIGNAL`` the signal's number (to the process; negative: to its process
group), ``CONMAN_TEST_STEPS`` a file that gets the number of steps, and each step's place.
"""

from __future__ import annotations

import os
import sys
import threading
from types import FrameType
from typing import Any

_PARTS = ("conman_kernel/containers/", "conman_kernel/networks/", "conman_kernel/volumes/", "conman_kernel/images/",
          "conman_kernel/store/", "conman_kernel/kernel.py", "conman_kernel/mounts.py", "conman_kernel/worker/client.py", "conman_overlay_storage/", "conman_vfs_storage/",
          "conman_cni_network/")


class Steps:
    """Counts lines reached for the first time."""

    def __init__(self) -> None:
        self.at = int(os.environ["CONMAN_TEST_STEP"])
        self.number = int(os.environ["CONMAN_TEST_SIGNAL"])
        self.seen: dict[tuple[str, int], None] = {}
        self.guard = threading.Lock()

    def trace(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        if code.co_name == "<module>" or not any(part in code.co_filename for part in _PARTS):
            return None
        return self.line

    def line(self, frame: FrameType, event: str, argument: object) -> Any:
        place = (frame.f_code.co_filename, frame.f_lineno)
        if event == "line" and place not in self.seen:
            with self.guard:
                self.seen[place] = None
                now = len(self.seen) == self.at
            if now:
                if self.number < 0:
                    os.killpg(0, -self.number)
                else:
                    os.kill(os.getpid(), self.number)
        return self.line

    def write(self, path: str) -> None:
        with open(path, "w", encoding="utf-8") as stream:
            stream.writelines(f"{file}:{line}\n" for file, line in self.seen)


def _install() -> None:
    steps = Steps()
    path = os.environ.get("CONMAN_TEST_STEPS", "")
    leave = os._exit

    def leave_counted(code: int) -> None:
        if path:
            steps.write(path)
        leave(code)

    os._exit = leave_counted  # type: ignore[assignment]
    threading.settrace(steps.trace)
    sys.settrace(steps.trace)


if "CONMAN_TEST_STEP" in os.environ:
    _install()
