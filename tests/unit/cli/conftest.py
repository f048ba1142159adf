"""Runs the command line as a program of its own, with its own store."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

CODE = "from conman_kernel.cli.entry import main; main()"


class Command(Protocol):
    """Runs ``conman`` with the words given."""

    def __call__(self, *words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def store(tmp_path: Path) -> tuple[str, ...]:
    """The global options of a store of this test's own."""
    config = tmp_path / "conman.toml"
    config.write_text("", "utf-8")
    config.chmod(0o600)
    return ("--root", str(tmp_path / "root"), "--run-root", str(tmp_path / "run"), "--config", str(config))


@pytest.fixture
def conman(store: tuple[str, ...]) -> Command:
    """The command, as a process."""

    def run(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONMAN_", "_CONMAN"))}
        return subprocess.run([sys.executable, "-c", CODE, *store, *words], input=stdin, capture_output=True, text=True,
                              timeout=60, env={**kept, **environment})

    return run
