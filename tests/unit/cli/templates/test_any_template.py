"""Whatever hypothesis thinks of as a template: printed, or refused in one line. ``CONMAN_STRESS=1`` looks twenty times as long."""

from __future__ import annotations

import os
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conman_kernel.cli.templates.form import Form
from conman_kernel.cli.templates.functions import FUNCTIONS
from conman_kernel.cli.templates.printf import Printer
from conman_kernel.cli.templates.problem import Wrong
from conman_kernel.cli.templates.values import LARGEST, Method
from conman_kernel.errors import InvalidInput

LONG = bool(os.environ.get("CONMAN_STRESS"))
STEPS = 3000


def bounded(examples: int) -> settings:
    return settings(max_examples=examples * (20 if LONG else 1), deadline=3000, derandomize=not LONG, database=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much])


ROW: dict[str, object] = {
    "ID": "1f60", "Name": "web", "Odd": "gr\u00f6\udcff\u2028\n\0", "Count": 3, "Half": -0.5, "On": True, "Nothing": None, "Args": ["x", "y"],
    "Mixed": [1, None, "a", [2.5, {"k": None}]], "Labels": {"a": "1", "b": "2"}, "State": {"Pid": 7, "Deep": {"er": [1, 2]}},
    "Label": Method(lambda words: words[0] * 2, 1), "Size": Method(lambda words: "3 kB")}

OPERANDS = st.sampled_from([
    ".", "$", ".ID", ".Name", ".Odd", ".Count", ".Half", ".On", ".Nothing", ".Args", ".Mixed", ".Labels", ".Labels.a", ".Labels.zz", ".State",
    ".State.Pid", ".State.Deep.er", ".Label", ".Size", ".Bogus", "$x", "$y", "$.Args", "nil", "true", "false", "0", "1", "-1", "2.5", "1e9", "'a'",
    '""', '"a"', '"%s%5d%v%[2]*x%q"', "`r`", "9999999", '"\\xff"', "0x1p-2"])
WORDS = st.one_of(OPERANDS, st.sampled_from(sorted(FUNCTIONS)))


def joined(words: list[str]) -> str:
    return " ".join(words)


COMMANDS = st.recursive(st.lists(WORDS, min_size=1, max_size=4).map(joined),
                        lambda inner: st.one_of(inner.map(lambda text: f"({text})"), inner.map(lambda text: f"print ({text})"),
                                                inner.map(lambda text: f"({text}).Pid"),
                                                st.tuples(inner, inner).map(" | ".join)), max_leaves=5)
HEADS = st.sampled_from(["", "", "if ", "with ", "range ", "range $x := ", "range $x, $y := ", "$x := ", "$y := ", "$x = ", "else if ", 'template "a" ',
                         'block "b" '])
ACTIONS = st.one_of(
    st.tuples(HEADS, COMMANDS).map(lambda pair: "{{" + pair[0] + pair[1] + "}}"),
    st.sampled_from(["{{end}}", "{{end}}", "{{else}}", "{{break}}", "{{continue}}", '{{define "a"}}', "{{- ", " -}}", "{{/* x */}}", " ", "\\t", "\n",
                     '{{template "a" .}}', "{{$x := 1}}"]),
    st.text(max_size=5))


def closed(parts: list[str]) -> str:
    """The same with an ``end`` for each that is open: most are read through then."""
    text = "{{$x := .Args}}{{$y := 1}}" + "".join(parts)
    opened = len(re.findall(r"\{\{(?:if|with|range|block|define)\b", text)) - text.count("{{end}}")
    return text + "{{end}}" * opened


TEMPLATES = st.one_of(st.lists(ACTIONS, max_size=12).map(closed), st.lists(ACTIONS, max_size=12).map("".join),
                      st.text(alphabet="{}-/*.$|()\"'`\\ \n=:,%09axX_ifrangend", max_size=80), st.text(max_size=60))


def run(format: str) -> str | None:
    try:
        return Form(format).row(ROW, steps=STEPS)
    except InvalidInput as error:
        assert re.match(r"--format: template \d+:\d+", error.message), error.message
        assert len(error.message.splitlines()) == 1
        return None


@bounded(800)
@given(TEMPLATES)
def test_printed_or_refused_in_one_line(format: str) -> None:
    shown = run(format)
    assert shown is None or len(shown) <= LARGEST + 1
    assert run(format) == shown


@bounded(150)
@given(TEMPLATES, st.booleans())
def test_tables(format: str, heading: bool) -> None:
    try:
        Form("table " + format).text([ROW], heading=heading)
    except InvalidInput:
        pass


VALUES = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(-2**63, 2**63 - 1), st.floats(), st.text(max_size=5)),
                      lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
                      max_leaves=5)


@bounded(400)
@given(st.one_of(st.text(alphabet="%+-# 0123456789.*[]vTtbcdoOqxXUeEfFgGspa\u00e9", max_size=20), st.text(max_size=10)), st.lists(VALUES, max_size=4))
def test_printf(format: str, values: list[object]) -> None:
    try:
        assert len(Printer(format, values).result()) <= LARGEST
    except Wrong as wrong:
        assert "longer than" in wrong.words


def test_most_of_them_are_templates() -> None:
    """The strategies reach the evaluator."""
    printed: list[bool] = []

    @bounded(120)
    @given(st.lists(ACTIONS, max_size=3).map(closed))
    def look(format: str) -> None:
        printed.append(run(format) is not None)

    look()
    assert sum(printed) > len(printed) // 8, f"{sum(printed)} of {len(printed)}"
