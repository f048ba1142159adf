"""docs/from-docker.md is what docker, podman and conman have: nothing claimed that is not there, nothing there that is claimed missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from conman_kernel.cli.parse_args import parse
from conman_kernel.cli.verb_table import find
from conman_kernel.errors import InvalidInput

TOP = Path(__file__).resolve().parents[2]


def _tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("from_docker", TOP / "tools/from_docker.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


TOOL = _tool()


def test_the_page_is_not_stale() -> None:
    assert TOOL.PAGE.read_text() == TOOL.render(), "tools/from_docker.py renders it"


def test_no_note_is_wrong() -> None:
    assert TOOL.faults() == []


def test_everything_that_is_not_there_has_a_reason() -> None:
    with pytest.raises(KeyError, match="does not say why nonsense is not there"):
        TOOL.why(TOOL.notes(), "nonsense")
    for command in TOOL.commands(TOOL.facts()):
        own = TOOL.own_options(command.name)
        for option in command.options if own is not None else ():
            assert option in own or TOOL.why(TOOL.notes(), command.name, option)
        assert own is not None or TOOL.why(TOOL.notes(), command.name)


@pytest.mark.parametrize("command", [command for command in TOOL.commands(TOOL.facts()) if TOOL.own_options(command.name) is not None],
                         ids=lambda command: command.name)
def test_the_parser_takes_and_refuses_what_the_page_says(command: object) -> None:
    from conman_kernel.cli.global_options import with_globals

    assert isinstance(command, TOOL.Command)
    found = find(command.name.split())
    assert found is not None
    verb = with_globals(found[1])
    for option in command.options:
        taken = option in (TOOL.own_options(command.name) or ())
        try:
            parse(verb, [option, "1"], "conman")
        except InvalidInput as refused:
            assert ("unknown flag" not in refused.message) is taken, (option, refused.message)
        else:
            assert taken, option


def test_the_facts_are_of_those_two() -> None:
    known = TOOL.facts()
    assert set(known) == {"docker", "podman"}
    for facts in known.values():
        assert len(facts.commands) > 100 and facts.commands["run"]["--interactive"] == "-i" and facts.version[0].isdigit()
    assert "--pod" in known["podman"].commands["run"] and "--isolation" in known["docker"].commands["run"]


def test_a_wrong_note_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks can fail."""
    right = TOOL.notes()
    wrong = (TOOL.Reason(1, "x", ("run", "nosuch"), ("--detach", "--nosuch", "--isolation")),)
    monkeypatch.setattr(TOOL, "notes", lambda: TOOL.Notes(wrong, {**right.differs, "nosuch": "x", "ps": "has `--bogus`, as `run --rm`"}))
    assert TOOL.faults() == [
        "differs: there is no command nosuch", "differs.ps: nobody's ps has --bogus", "reason 1: conman has run",
        "reason 1: neither has a command nosuch", "reason 1: --detach is missing nowhere", "reason 1: --nosuch is missing nowhere"]
