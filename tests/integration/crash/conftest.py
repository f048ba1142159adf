"""A store per test, and a harness that ends the command at any step."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.testing.aftermath import Aftermath, differences, look, processes, wait_gone
from conman_kernel.testing.command import Command

MEMORY = "/dev/shm"
INJECT = Path(__file__).with_name("inject")


class Store:
    """One store with an image, and what it looks like when nothing is going on."""

    def __init__(self, command: Command, image: str) -> None:
        self.command = command
        self.image = image
        self.quiet: Aftermath = look(command.root, command.run_root)

    def stepped(self, step: int, number: int, *arguments: str, count: Path | None = None) -> subprocess.Popen[bytes]:
        """Begin a command that gets a signal at a step."""
        environ = {"PYTHONPATH": str(INJECT), "CONMAN_TEST_STEP": str(step), "CONMAN_TEST_SIGNAL": str(number)}
        if count is not None:
            environ["CONMAN_TEST_STEPS"] = str(count)
        return self.command.start(*arguments, stdin=subprocess.DEVNULL, **environ)

    def count(self, folder: Path, *arguments: str) -> list[str]:
        """Run a command undisturbed; the places of its steps."""
        file = folder / "steps"
        process = self.stepped(0, 9, *arguments, count=file)
        _, err = process.communicate(timeout=60)
        assert b"Traceback" not in err, err
        return file.read_text().splitlines()

    def kill_at(self, step: int, *arguments: str, number: int = signal.SIGKILL) -> tuple[int, str]:
        """Run a command that gets a signal at a step.

        :returns: its exit code (negative: the signal) and its standard error.
        """
        process = self.stepped(step, number, *arguments)
        _, err = process.communicate(timeout=60)
        return process.returncode, err.decode()

    def left(self) -> list[str]:
        """What differs from the quiet store, once everything that is ending has ended."""
        return differences(self.quiet, self.command.root, self.command.run_root)

    def wait_quiet(self, seconds: float = 30.0) -> bool:
        """Wait until no process of the store is left; False where some stay."""
        end = time.monotonic() + seconds
        while found := set(processes(self.command.root, self.command.run_root)):
            if not wait_gone(found, end - time.monotonic()):
                return False
        return True


@pytest.fixture
def store(box: str) -> Iterator[Store]:
    """A store that has the image, and has run it once."""
    folder = tempfile.mkdtemp(prefix="cc-", dir=MEMORY)
    command = Command(folder)
    left: list[str] = []
    try:
        command.ok("pull", "-q", box)
        command.ok("run", "--rm", box, "true")
        # The shim was told that all is done, and ends by itself: until then it would belong to the quiet store.
        assert wait_gone(set(processes(command.root, command.run_root)), 30.0)
        made = Store(command, box)
        yield made
        command.clear()
        left = made.left()
    finally:
        command.clear()
        shutil.rmtree(folder, ignore_errors=bool(left))
    assert not left, "\n".join(left)


