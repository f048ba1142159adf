"""What the architecture tests look at: every Python file of the product, parsed once."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator, NamedTuple

import pytest

TOP = Path(__file__).resolve().parents[2]


class Import(NamedTuple):
    """One imported module (absolute), and whether it is paid for whenever the file itself is imported."""

    module: str
    line: int
    eager: bool


class Source(NamedTuple):
    """One Python file. ``module`` is its dotted name; ``""`` for files that belong to no package, such as tests."""

    path: Path
    module: str
    tree: ast.Module
    imports: tuple[Import, ...]

    @property
    def where(self) -> str:
        return str(self.path.relative_to(TOP))


def _module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _imports(tree: ast.Module, module: str, package: bool) -> Iterator[Import]:
    def visit(node: ast.AST, eager: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, eager)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: len(module.split(".")) - node.level + package]
                base = ".".join([*parents, *([base] if base else [])])
            yield Import(base, node.lineno, eager)
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, eager)
        lazy = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _is_type_checking(node)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, eager and not lazy)

    yield from visit(tree, True)


def _parse(root: Path, folder: Path, *, packaged: bool) -> list[Source]:
    found = []
    for path in sorted(folder.rglob("*.py")):
        if "__pycache__" in path.parts or "build" in path.relative_to(TOP).parts:
            continue
        tree = ast.parse(path.read_text(), filename=str(path))
        module = _module_name(path, root) if packaged else ""
        found.append(Source(path, module, tree, tuple(_imports(tree, module, path.name == "__init__.py"))))
    return found


@pytest.fixture(scope="session")
def kernel() -> list[Source]:
    """The files of conman_kernel."""
    return _parse(TOP, TOP / "conman_kernel", packaged=True)


@pytest.fixture(scope="session")
def plugins() -> dict[str, list[Source]]:
    """Plugin name -> its files."""
    folders = [p for p in sorted((TOP / "plugins").iterdir()) if (p / "src").is_dir()]
    return {p.name: _parse(p / "src", p / "src", packaged=True) for p in folders}


@pytest.fixture(scope="session")
def shim() -> list[Source]:
    """The files of conman_shim."""
    return _parse(TOP / "shim" / "src", TOP / "shim" / "src", packaged=True)


@pytest.fixture(scope="session")
def product(kernel: list[Source], plugins: dict[str, list[Source]], shim: list[Source]) -> list[Source]:
    """Everything that is installed."""
    return [*kernel, *shim, *(source for sources in plugins.values() for source in sources)]


@pytest.fixture(scope="session")
def test_sources() -> list[Source]:
    """Every test of this repository."""
    folders = [TOP / "tests", TOP / "shim" / "tests", *sorted((TOP / "plugins").glob("*/tests"))]
    return [source for folder in folders for source in _parse(folder, folder, packaged=False)]
