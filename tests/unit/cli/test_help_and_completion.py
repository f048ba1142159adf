"""Help of every verb renders, and bash completes through the script that conman prints."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conman_kernel.cli.click_app import help_text
from conman_kernel.cli.global_options import OPTIONS
from conman_kernel.cli.verb_table import NOUN_HELP, NOUNS, VERBS, load

from .conftest import CODE, Command

PATHS = [[verb] for verb in VERBS] + [[noun, verb] for noun, verbs in NOUNS.items() for verb in verbs]


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_names_everything(path: list[str]) -> None:
    verb = load(VERBS[path[0]] if len(path) == 1 else NOUNS[path[0]][path[1]])
    text = help_text(path)
    assert text.startswith(f"Usage: conman {' '.join(path)} ")
    assert " ".join(verb.help.split()) in " ".join(text.split())
    for option in verb.options:
        assert (option.long in text) is not option.hidden
        assert option.help, f"{option.long} has no help"
    for option in OPTIONS:
        assert option.long + " " not in text, "global options are listed once, by conman --help"


def test_help_of_the_whole() -> None:
    text = help_text([])
    for name in (*VERBS, *NOUNS):
        assert f"\n  {name} " in text
    assert set(NOUN_HELP) == set(NOUNS)
    assert "--network host" in text


@pytest.mark.parametrize("words", [("run", "--help"), ("create", "--help"), ("--help",), ("help", "run")])
def test_run_says_which_network_there_is(conman: Command, words: tuple[str, ...]) -> None:
    done = conman(*words)
    assert done.returncode == 0 and done.stderr == ""
    assert "default is --network none" in " ".join(done.stdout.split()) and "--network host" in done.stdout


@pytest.mark.parametrize("words", [("plugin", "--help"), ("plugin", "ls", "--help"), ("ps", "-h"), ("container", "ls", "--help")])
def test_help_as_typed(conman: Command, words: tuple[str, ...]) -> None:
    done = conman(*words)
    path = " ".join(word for word in words if not word.startswith("-"))
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: conman {path}")


def test_no_verb_shows_the_help_on_stderr(conman: Command) -> None:
    done = conman()
    assert done.returncode == 125 and done.stdout == ""
    assert done.stderr.startswith("Usage: conman ") and "Error: missing command 'conman COMMAND'" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(conman: Command, shell: str) -> None:
    done = conman("completion", shell)
    assert done.returncode == 0 and "_CONMAN_COMPLETE" in done.stdout


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


def by_bash(folder: Path, *words: str) -> list[str]:
    program = folder / "bin" / "conman"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(CODE)} \"$@\"\n", "utf-8")
        program.chmod(0o755)
    script = DRIVE.format(words=" ".join(shlex.quote(word) for word in words), last=len(words) - 1)
    environment = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "CONMAN_ROOT": str(folder / "root"),
                   "CONMAN_RUN_ROOT": str(folder / "run")}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True, env=environment)
    return done.stdout.split()


@pytest.mark.parametrize(("words", "expected"), [
    (["conman", "ru"], ["run"]),
    (["conman", "plugin", ""], ["inspect", "ls"]),
    (["conman", "run", "--cap-"], ["--cap-add", "--cap-drop"]),
    (["conman", "run", "--pull", "n"], ["never", "newer"]),
    (["conman", "plugin", "inspect", "over"], ["overlay-storage"]),
    (["conman", "--storage-driver", "vfs-storage", "imag"], ["image", "images"]),
    (["conman", "rm", "no-such"], []),
])
def test_bash_completes(tmp_path: Path, words: list[str], expected: list[str]) -> None:
    assert by_bash(tmp_path, *words) == expected
