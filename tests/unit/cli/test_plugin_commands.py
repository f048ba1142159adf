"""Verbs that another distribution brings, really found through its metadata."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Command

MODULE = """
import click

@click.command()
@click.option("--name", default="you")
@click.argument("words", nargs=-1)
@click.pass_context
def hello(context, name, words):
    "Say hello."
    click.echo(f"hello {name} {' '.join(words)} {context.obj.conman().layout.root}")
    context.exit(3)

no_command = 5
"""


def install(folder: Path, distribution: str, points: str, module: str = "brought", code: str = MODULE) -> None:
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[conman.commands]\n{points}\n", "utf-8")
    (folder / f"{module}.py").write_text(code, "utf-8")


def test_it_runs(conman: Command, store: tuple[str, ...], tmp_path: Path) -> None:
    install(tmp_path / "site", "bringer", "hello = brought:hello")
    done = conman("hello", "--name", "me", "a", "b", PYTHONPATH=str(tmp_path / "site"))
    assert (done.returncode, done.stdout, done.stderr) == (3, f"hello me a b {store[1]}\n", "")
    done = conman("hello", "--help", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0 and "Say hello." in done.stdout
    done = conman("hello", "--nam", "me", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 125 and done.stderr.startswith("Error: ") and "--name" in done.stderr


@pytest.mark.parametrize(("points", "code", "message"), [
    ("hello = brought:hello", "raise RuntimeError('boom')", "cannot be loaded: RuntimeError: boom"),
    ("hello = brought:missing", MODULE, "cannot be loaded: AttributeError"),
    ("hello = brought:no_command", MODULE, "is a int, not a click command")])
def test_one_that_is_broken(conman: Command, tmp_path: Path, points: str, code: str, message: str) -> None:
    install(tmp_path / "site", "bringer", points, code=code)
    done = conman("hello", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 125 and message in done.stderr and "bringer 1.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert conman("--help", PYTHONPATH=str(tmp_path / "site")).returncode == 0


def test_two_of_one_name(conman: Command, tmp_path: Path) -> None:
    install(tmp_path / "a", "bringer-one", "hello = brought:hello")
    install(tmp_path / "b", "bringer-two", "hello = brought:hello")
    done = conman("hello", PYTHONPATH=f"{tmp_path}/a:{tmp_path}/b")
    assert done.returncode == 125 and "bringer-one and bringer-two" in done.stderr


def test_nobody_puts_himself_in_front(conman: Command, tmp_path: Path) -> None:
    install(tmp_path / "site", "bringer", "ps = brought:hello")
    assert conman("ps", PYTHONPATH=str(tmp_path / "site")).stdout.startswith("CONTAINER ID")


FAILING = """
import click

@click.command()
@click.argument("how")
def hello(how):
    if how == "raise":
        raise RuntimeError("inside")
    raise SystemExit(int(how))
"""


def test_one_that_fails_is_one_line_that_names_it(conman: Command, tmp_path: Path) -> None:
    install(tmp_path / "site", "bringer", "hello = brought:hello", code=FAILING)
    done = conman("hello", "raise", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 125 and "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: the command hello of bringer 1.0 failed: RuntimeError: inside\n")
    assert conman("hello", "7", PYTHONPATH=str(tmp_path / "site")).returncode == 7


def test_help_lists_it_with_its_distribution_and_imports_nothing(conman: Command, tmp_path: Path) -> None:
    install(tmp_path / "site", "bringer", "hello = brought:hello\nps = brought:hello", code="raise RuntimeError('imported')")
    done = conman("--help", PYTHONPATH=str(tmp_path / "site"))
    assert (done.returncode, done.stderr) == (0, "")
    section = done.stdout.partition("Commands of other distributions:")[2]
    assert "hello" in section and "Brought by bringer 1.0" in section and " ps " not in section


def test_the_list_is_kept_with_the_store(conman: Command, store: tuple[str, ...], tmp_path: Path) -> None:
    install(tmp_path / "site", "bringer", "hello = brought:hello")
    Path(store[1]).mkdir()
    assert conman("hello", PYTHONPATH=str(tmp_path / "site")).returncode == 3
    kept = [path.read_text("utf-8") for path in Path(store[1]).glob("plugins.cache.*")]
    assert len(kept) == 1 and "bringer" in kept[0]
