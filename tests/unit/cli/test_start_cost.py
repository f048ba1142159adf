"""What a command imports: start-up is paid on every one of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conman_kernel import __version__
from conman_kernel.cli.entry import _verb_at

HEAVY = ("click", "pluggy", "requests", "dataclasses", "logging", "subprocess", "inspect", "asyncio", "pathlib", "tempfile",
         "importlib.metadata", "argparse", "threading")

LOOK = """
import sys
from conman_kernel.cli.entry import run
code = run({argv!r})
print()
print("imported", *sys.modules)
"""

PARSE_RUN = """
import sys
from conman_kernel.cli import dispatch, several
from conman_kernel.cli.container_record import container_record
from conman_kernel.cli.parse_args import parse
from conman_kernel.cli.global_options import with_globals
from conman_kernel.cli.verb_table import find
name, verb, rest = find(["run", "--rm", "-it", "--name=x", "-e", "A=1", "alpine", "sh", "-c", "x"])
options = container_record(parse(with_globals(verb), rest, "conman run"))
assert options.command == ("sh", "-c", "x") and options.env == (("A", "1"),) and options.terminal
print("imported", *sys.modules)
"""


def imported(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    line = done.stdout.splitlines()[-1]
    assert line.startswith("imported ")
    return set(line.split()[1:])


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return imported("import sys; print('imported', *sys.modules)")


@pytest.mark.parametrize("argv", [["--version"], ["-v"], ["--log-level", "error", "--version"]])
def test_version(argv: list[str], bare: set[str]) -> None:
    new = imported(LOOK.format(argv=argv)) - bare
    assert not new & {*HEAVY, "json", "sqlite3", "socket"}
    assert "conman_kernel.kernel" not in new
    if argv[0] in ("--version", "-v"):
        assert not {name for name in new if name.startswith("conman_kernel.")} - {
            "conman_kernel._version", "conman_kernel.hooks", "conman_kernel.cli", "conman_kernel.cli.entry"}


def test_version_is_the_distributions(conman: object) -> None:
    done = subprocess.run([sys.executable, "-c", LOOK.format(argv=["--version"])], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"conman version {__version__}\n")


def test_ps(store: tuple[str, ...], bare: set[str]) -> None:
    new = imported(LOOK.format(argv=[*store, "ps"])) - bare
    assert "conman_kernel.cli.verbs.ps" in new
    assert not new & set(HEAVY)
    assert not {name for name in new if name.startswith("conman_kernel.cli.verbs.")} - {"conman_kernel.cli.verbs.ps"}


def test_parsing_run(bare: set[str]) -> None:
    new = imported(PARSE_RUN) - bare
    assert "conman_kernel.cli.verbs.run" in new
    assert not new & set(HEAVY)


@pytest.mark.parametrize(("argv", "at"), [
    ([], 0), (["run", "x"], 0), (["--root", "/x", "run"], 2), (["--root=/x", "--config", "f", "start"], 3), (["container", "run"], 1),
    (["--root", "/x", "container", "run"], 3), (["--root"], 2)])
def test_where_the_verb_stands(argv: list[str], at: int) -> None:
    assert _verb_at(argv) == at
