"""The API reference under docs/reference is what the docstrings say, whole, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOP = Path(__file__).resolve().parents[2]
PAGES = [*sorted((TOP / "docs").glob("*.md")), *sorted((TOP / "docs").glob("*/*.md")), TOP / "README.md"]


@pytest.fixture(scope="module")
def problems() -> list[str]:
    """What ``tools/reference.py --check`` finds."""
    done = subprocess.run([sys.executable, str(TOP / "tools" / "reference.py"), "--check"], capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("kind", "meaning"), [
    ("stale", "the committed pages are what the docstrings say: make docs renders them"),
    ("missing", "every name that tools/reference_pages.py lists is defined"),
    ("no docstring", "every public name says what it is"),
    ("leads nowhere", "every role (:class:`X`) leads to a heading of the reference"),
    ("no such parameter", "a docstring tells of parameters that are there"),
    ("not on a page", "exported names, modules of public packages, and types in signatures have a heading"),
])
def test_the_reference_is_whole(problems: list[str], kind: str, meaning: str) -> None:
    assert [line for line in problems if line.startswith(f"{kind}: ")] == [], meaning


def test_no_problem_is_of_a_kind_that_no_test_looks_for(problems: list[str]) -> None:
    kinds = {line.partition(": ")[0] for line in problems if line}
    assert kinds <= {"stale", "missing", "no docstring", "leads nowhere", "no such parameter", "not on a page"}


def headings(page: Path) -> set[str]:
    """What the headings of a page are called in links, as GitHub makes it."""
    found: list[str] = []
    outside = re.sub(r"(?ms)^```.*?^```$", "", page.read_text())
    for title in re.findall(r"(?m)^#+ (.+)$", outside):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
        found.append("".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_"))
    return {slug if found[:number].count(slug) == 0 else f"{slug}-{found[:number].count(slug)}"
            for number, slug in enumerate(found)}


@pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(TOP)) for p in PAGES])
def test_links_lead_to_headings(page: Path) -> None:
    wrong = []
    for target, anchor in re.findall(r"\]\(([^)#\s:]*\.md)?(?:#([^)\s]+))?\)", page.read_text()):
        there = (page.parent / target) if target else page
        if not there.exists() or (anchor and anchor not in headings(there)):
            wrong.append(f"{target}#{anchor}")
    assert wrong == []


@pytest.fixture(scope="module")
def prose() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_prose", TOP / "tools" / "reference_prose.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plainly(role: str, target: str) -> str:
    return f"<{role} {target}>"


@pytest.mark.parametrize(("text", "markdown"), [
    ("a ``b_c`` d", "a `b_c` d"),
    ("see :meth:`~.Images.pull` there", "see <meth ~.Images.pull> there"),
    ("snake_case stays, _this_ and 2 * 3 * 4 do not", r"snake_case stays, \_this\_ and 2 \* 3 \* 4 do not"),
    ("an *active* one", "an *active* one"),
    ("a <b> [c] | d", r"a \<b\> \[c\] \| d"),
    ("``{a: ``b``", "`{a: `b\\`\\`"),
    ("two\n    lines", "two lines"),
    ("`Title <https://example.com/x>`_", "[Title](https://example.com/x)"),
])
def test_prose(prose: ModuleType, text: str, markdown: str) -> None:
    assert prose.inline(text, plainly) == markdown


def test_fields(prose: ModuleType) -> None:
    found = prose.fields("Do it. :returns: the thing.\n\n:param a: first,\n    and more.\n:param b: second.\n:raises X, Y: where\n"
                         "    it fails.\n:ivar c: kept.\n\nA last word.")
    assert found.text == "Do it.\n\nA last word."
    assert found.parameters == (("a", "first, and more."), ("b", "second."))
    assert (found.attributes, found.returns, found.raises) == ((("c", "kept."),), "the thing.", (("X, Y", "where it fails."),))


def test_blocks(prose: ModuleType) -> None:
    text = "So::\n\n    f(1)\n\n- one\n  more\n- two\n\n::\n\n    a -> b\n"
    assert prose.blocks(text, plainly) == "So:\n\n```py\nf(1)\n```\n\n- one more\n- two\n\n```text\na -> b\n```"
