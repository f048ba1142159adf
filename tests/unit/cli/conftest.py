"""Runs the command line as a program of its own, with its own store."""

from __future__ import annotations

import os
import shlex
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
        kept["CONMAN_CONTAINERS_NETWORK"] = "none"
        return subprocess.run([sys.executable, "-c", CODE, *store, *words], input=stdin, capture_output=True, text=True,
                              timeout=60, env={**kept, **environment})

    return run


DRIVE = """
set -eu
source <(conman completion bash)
COMP_WORDS=({words})
COMP_CWORD={last}
COMPREPLY=()
spec=$(complete -p conman)
handler=${{spec#*-F }}
"${{handler%% *}}" conman || true
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def by_bash(folder: Path, root: Path, run_root: Path, *words: str) -> list[str]:
    """What bash offers for a command line whose last word is being typed, through the script that conman prints."""
    program = folder / "bin" / "conman"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(CODE)} \"$@\"\n", "utf-8")
        program.chmod(0o755)
    script = DRIVE.format(words=" ".join(shlex.quote(word) for word in words), last=len(words) - 1)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "CONMAN_ROOT": str(root),
                   "CONMAN_RUN_ROOT": str(run_root)}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True, env=environment)
    return done.stdout.split()
