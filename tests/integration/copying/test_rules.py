"""docker's rules, case by case, into a container, out of one, and within one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from . import cases, trees
from .conftest import Inside

EVERY = pytest.mark.parametrize("case", cases.CASES, ids=lambda case: case.name)
FEW = pytest.mark.parametrize("case", cases.CASES[::6], ids=lambda case: case.name)


def check(inside: Inside, source: Path, given: str, target: Path, to: str, case: cases.Case) -> None:
    """Lay out both trees, copy, compare.

    :param given: how ``cp`` calls ``source``, and ``to`` ``target``.
    """
    trees.source(source)
    trees.target(target)
    before = trees.seen(target)
    done = inside.conman("cp", f"{given}/{case.source}", f"{to}/{case.target}")
    after = trees.seen(target)
    new = {path: content for path, content in after.items() if before.get(path) != content}
    if case.new is None:
        assert done.returncode == 125 and case.error in done.stderr, done.stderr
        assert done.stderr.count("\n") <= 2, "one line, and what to do next"
        assert new == {} and after.keys() == before.keys()
        return
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert new == case.new
    assert before.keys() - after.keys() <= {f"{path}" for path in case.new}, "nothing went"


@EVERY
def test_in(running: Inside, work: Path, folder: Path, case: cases.Case) -> None:
    check(running, folder / "src", f"{folder}/src", work / "dst", running.at("/desk/dst"), case)


@EVERY
def test_out(running: Inside, work: Path, folder: Path, case: cases.Case) -> None:
    check(running, work / "src", running.at("desk/src"), folder / "dst", f"{folder}/dst", case)


@FEW
def test_within(running: Inside, work: Path, case: cases.Case) -> None:
    check(running, work / "src", running.at("/desk/src"), work / "dst", running.at("/desk/dst"), case)


@FEW
def test_into_a_stopped_one(stopped: Inside, folder: Path, case: cases.Case) -> None:
    check(stopped, folder / "src", f"{folder}/src", stopped.root / "dst", stopped.at("/dst"), case)


@FEW
def test_out_of_a_stopped_one(stopped: Inside, folder: Path, case: cases.Case) -> None:
    check(stopped, stopped.root / "src", stopped.at("/src"), folder / "dst", f"{folder}/dst", case)


@FEW
def test_from_a_stopped_one_to_a_running_one(stopped: Inside, running: Inside, work: Path, case: cases.Case) -> None:
    check(stopped, stopped.root / "src", stopped.at("/src"), work / "dst", running.at("/desk/dst"), case)


def test_the_same_over_again(running: Inside, work: Path, folder: Path) -> None:
    trees.source(folder / "src")
    for _ in range(2):
        running.conman.ok("cp", f"{folder}/src/.", running.at("/desk"))
        assert trees.seen(work) == cases.WHOLE


def test_relative_paths_and_names_with_colons(running: Inside, work: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    Path("a:b").write_text("colon")
    running.conman.ok("cp", "./a:b", running.at("desk/"))
    assert (work / "a:b").read_text() == "colon"
    running.conman.ok("cp", running.at("desk/a:b"), ".")
    running.conman.ok("cp", running.at("desk/a:b"), "plain")
    assert Path("plain").read_text() == "colon"
    monkeypatch.chdir("/")
    assert "could not be found" in running.conman("cp", "plain", running.at("/desk")).stderr


def test_the_noun_and_dockers_switches(running: Inside, work: Path, folder: Path) -> None:
    (folder / "f").write_text("1")
    running.conman.ok("container", "cp", "-a", "-q", "-L", f"{folder}/f", running.at("/desk"))
    assert (work / "f").read_text() == "1"


def test_the_link_itself_as_docker_does_without_L(running: Inside, work: Path, folder: Path) -> None:
    trees.source(folder / "src")
    running.conman.ok("cp", "--follow-link=false", f"{folder}/src/lf", f"{running.name}:/desk")
    running.conman.ok("cp", "--follow-link=false", f"{folder}/src/dangling", running.at("/desk/other"))
    running.conman.ok("cp", "--follow-link=false", f"{folder}/src/ld/", running.at("/desk/real"))
    found = trees.seen(work)
    assert (found["lf"], found["other"], found["real/x"]) == ("-> f", "-> nowhere", "x")


@pytest.mark.parametrize("name, content", [("has", {"has/f": "file"}), ("hasl", {"hasl/f": "file"})])
def test_overwrite(running: Inside, work: Path, folder: Path, name: str, content: dict[str, str]) -> None:
    trees.source(folder)
    trees.target(work)
    running.conman.ok("cp", "--overwrite", f"{folder}/f", running.at(f"/desk/{name}"))
    found = trees.seen(work)
    assert content.items() <= found.items() and f"{name}/f/" not in found
    running.conman.ok("cp", "--overwrite", f"{folder}/.", running.at("/desk/full"))
    assert "full/e/" in trees.seen(work) and "full/e" not in trees.seen(work)


def test_a_folder_that_is_there_gets_what_describes_the_new_one(running: Inside, work: Path, folder: Path) -> None:
    trees.source(folder)
    (work / "d").mkdir(mode=0o700)
    before = os.stat(work)
    running.conman.ok("cp", f"{folder}/.", running.at("/desk"))
    state = os.stat(work / "d")
    assert (state.st_mode & 0o7777, state.st_mtime_ns) == (0o751, trees.WHEN)
    assert os.stat(work).st_mode == before.st_mode, "where they go stays as it is"


def test_within_a_stopped_one(stopped: Inside) -> None:
    trees.source(stopped.root / "src")
    stopped.conman.ok("cp", stopped.at("/src/d"), stopped.at("/there"))
    assert trees.seen(stopped.root / "there") == cases.TREE


def test_names_of_any_bytes(running: Inside, work: Path, folder: Path) -> None:
    name = os.fsdecode(b"\xff \n'")
    (folder / name).write_text("odd")
    running.conman.ok("cp", f"{folder}/{name}", running.at("/desk"))
    running.conman.ok("cp", running.at(f"/desk/{name}"), f"{folder}/back")
    assert (folder / "back").read_text() == (work / name).read_text() == "odd"
    done = running.conman("cp", running.at(f"/desk/{name}x"), f"{folder}/back")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1) and "\\udcff \\n'x" in done.stderr


def test_a_folder_into_itself(running: Inside, work: Path) -> None:
    trees.source(work)
    done = running.conman("cp", running.at("/desk/d"), running.at("/desk/d/sub"))
    assert (done.returncode, done.stderr) == (125, "Error: cannot copy a folder into itself\n")
    assert trees.seen(work) == cases.WHOLE
