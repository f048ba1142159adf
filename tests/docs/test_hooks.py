"""No hook without its exact signature in the docs, a shipped plugin that uses it, and a test: a hook nobody uses is a guess."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HOOKSPECS = ast.parse((TOP / "conman_kernel" / "hookspecs.py").read_text())


def marked(tree: ast.AST, mark: str) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
            and any(ast.unparse(one).split("(")[0] == mark for one in node.decorator_list)]


HOOKS = {node.name: node for node in marked(HOOKSPECS, "hookspec")}


def signature(hook: ast.FunctionDef) -> str:
    """The hook as it is written down, on one line."""
    return ast.unparse(hook).partition('"""')[0].partition("\n")[2].split(":\n")[0].strip()


def test_the_hooks_are_found() -> None:
    assert {"conman_image_transport", "conman_storage_driver", "conman_runtime", "conman_attach"} <= set(HOOKS)
    assert signature(HOOKS["conman_attach"]) == "def conman_attach() -> Provider[Attach]"


@pytest.mark.parametrize("name", HOOKS)
def test_a_page_of_the_reference_has_its_signature(name: str) -> None:
    """One page, under a heading of its name, on as many lines as it takes."""
    pages = [page for page in sorted((TOP / "docs" / "reference").glob("*.md")) if f"\n## {name.replace('_', chr(92) + '_')}\n" in
             page.read_text() or f"\n## {name}\n" in page.read_text()]
    assert len(pages) == 1
    text = "".join(pages[0].read_text().split()).replace(",)", ")")
    assert "".join(signature(HOOKS[name]).split()).replace("'", '"') in text


@pytest.mark.parametrize("name", HOOKS)
def test_the_index_of_the_plugin_pages_has_it(name: str) -> None:
    assert re.search(rf"\[`{name}`\]\(reference/[\w-]+\.md#{name}\)", (TOP / "docs" / "plugins.md").read_text())


@pytest.mark.parametrize("name", HOOKS)
def test_it_says_when_by_whom_and_what_it_returns(name: str) -> None:
    doc = ast.get_docstring(HOOKS[name]) or ""
    assert [word for word in ("*When*:", "*By whom*:", ":returns:") if word not in doc] == []
    known = [arg.arg for arg in HOOKS[name].args.args]
    assert [arg for arg in known if f":param {arg}:" not in doc] == []


@pytest.mark.parametrize("name", HOOKS)
def test_a_shipped_plugin_uses_it(name: str) -> None:
    modules = (path for path in (TOP / "plugins").glob("*/src/*/*.py") if name in path.read_text())
    assert any(hook.name == name for path in modules for hook in marked(ast.parse(path.read_text()), "hookimpl"))


@pytest.mark.parametrize("name", HOOKS)
def test_a_test_uses_it(name: str) -> None:
    """One that is called after it, as datasette's are: ``test_hook_NAME``."""
    tests = [path for path in (TOP / "tests").rglob("test_*.py") if re.search(rf"^ *(async )?def test_hook_{name}\b", path.read_text(), re.M)]
    assert tests
