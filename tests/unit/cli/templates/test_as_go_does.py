"""Templates against what Go itself printed for them: ``cases.json`` was recorded from text/template of Go 1.19.

``data`` is what the templates were run over (``Labels`` as a map of strings, lists of nothing but strings as such); ``cases`` has
what Go printed or, in Go's words, why it refused. The functions beside Go's own (json, join, ...) are docker's and podman's.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conman_kernel.cli.templates.evaluate import Run
from conman_kernel.cli.templates.functions import FUNCTIONS
from conman_kernel.cli.templates.lexer import Lexer
from conman_kernel.cli.templates.parser import Parser
from conman_kernel.cli.templates.problem import Source
from conman_kernel.errors import InvalidInput

RECORDED = json.loads(Path(__file__).with_name("cases.json").read_text())
OTHER_WORDS = 45
"""How many of Go's refusals are said in other words here, at most: Go's types, and what reflect says."""


def by_go(template: str) -> str:
    source = Source(template, "t")
    parsed = Parser(source, Lexer(source, 0, lambda text: text).tokens(), FUNCTIONS).parse()
    return Run(source, parsed).over(RECORDED["data"])


@pytest.mark.parametrize(("template", "prints"), [(c["template"], c["prints"]) for c in RECORDED["cases"] if "prints" in c])
def test_prints_what_go_prints(template: str, prints: str) -> None:
    assert by_go(template) == prints


REFUSED = [(c["template"], c["refused"]) for c in RECORDED["cases"] if "refused" in c]


@pytest.mark.parametrize("template", [template for template, _ in REFUSED])
def test_refuses_what_go_refuses(template: str) -> None:
    with pytest.raises(InvalidInput, match=r"^t: template \d+:\d+") as caught:
        by_go(template)
    assert "\n" not in caught.value.message


def test_mostly_in_the_words_of_go() -> None:
    others = []
    for template, words in REFUSED:
        with pytest.raises(InvalidInput) as caught:
            by_go(template)
        if words not in caught.value.message:
            others.append((template, words, caught.value.message))
    assert len(others) <= OTHER_WORDS, others
    assert len(REFUSED) > 3 * len(others)
