"""The page of promises: one table a slot, from the docstrings of its kit's tests."""

from __future__ import annotations

from typing import Callable, Iterator

from reference_prose import cell, code
from reference_source import Definition, Package

KITS = "conman_kernel.testing.kits"
STEM = "promises"
_INTRO = """Every test of the [kits](../plugins/testing.md): the promise it holds a plugin to, and why somebody relies on it.
A test of something optional is skipped with "not offered" where a plugin does not offer it."""


def page(package: Package, note: str, said: Callable[[Definition], str]) -> tuple[str, list[str]]:
    """The page's text, ``""`` where there are no kits, and a line for each test without a docstring.

    :param said: a definition's docstring as one line of Markdown.
    """
    made, silent = ["# What the kits ask", f"<!-- {note} -->", _INTRO], []
    for slot in ("transport", "storage", "runtime", "attach", "network", "events", "spec"):
        tests = list(_tests(package, slot))
        silent += [f"no docstring: {test.dotted}" for test in tests if not test.doc]
        if tests:
            made.append(f"## {slot}")
            made.append("\n".join(["| test | promise |", "| --- | --- |",
                                   *(f"| {code(test.name.removeprefix('test_'))} | {cell(said(test))} |" for test in tests)]))
    return ("\n\n".join(made) + "\n" if len(made) > 3 else ""), silent


def _tests(package: Package, slot: str) -> Iterator[Definition]:
    home = f"{KITS}.{slot}"
    for name, module in sorted(package.modules.items()):
        if name == home or name.startswith((f"{home}.", f"{home}_")):
            for found in module.defined.values():
                yield from (member for member in found.members if member.kind == "method" and member.name.startswith("test_"))
