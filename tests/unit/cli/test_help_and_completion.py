"""Help of every verb renders, and bash completes through the script that conman prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel.cli.click_app import help_text
from conman_kernel.cli.global_options import OPTIONS
from conman_kernel.cli.verb_table import NOUN_HELP, NOUNS, VERBS, load

from .conftest import Command, by_bash

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
    assert "--network names another, none or host" in " ".join(text.split())


@pytest.mark.parametrize("words", [("run", "--help"), ("create", "--help"), ("--help",), ("help", "run")])
def test_run_says_which_network_there_is(conman: Command, words: tuple[str, ...]) -> None:
    done = conman(*words)
    assert done.returncode == 0 and done.stderr == ""
    assert "is in the network bridge, unless --network names another, none or host" in " ".join(done.stdout.split())


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


@pytest.mark.parametrize(("words", "expected"), [
    (["conman", "ru"], ["run"]),
    (["conman", "plugin", ""], ["inspect", "ls", "new", "test"]),
    (["conman", "run", "--cap-"], ["--cap-add", "--cap-drop"]),
    (["conman", "run", "--pull", "n"], ["never", "newer"]),
    (["conman", "plugin", "inspect", "over"], ["overlay-storage"]),
    (["conman", "--storage-driver", "vfs-storage", "imag"], ["image", "images"]),
    (["conman", "rm", "no-such"], []),
    (["conman", "unp"], ["unpause"]),
    (["conman", "container", "re"], ["rename", "restart"]),
    (["conman", "cd"], ["cdi"]),
    (["conman", "cdi", ""], ["inspect", "ls"]),
])
def test_bash_completes(tmp_path: Path, words: list[str], expected: list[str]) -> None:
    assert by_bash(tmp_path, tmp_path / "root", tmp_path / "run", *words) == expected
