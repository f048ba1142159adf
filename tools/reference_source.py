"""What the Python files of a package define, read without importing them: the reference's raw material."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator, NamedTuple

Node = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign
Function = (ast.FunctionDef, ast.AsyncFunctionDef)
WIDTH = 110


class Definition(NamedTuple):
    """One name that a module defines: itself, a class, a function, a member, a value.

    :param module: the module's dotted name; ``path``: the name within it, ``""`` for the module itself.
    :param kind: ``module``, ``class``, ``record``, ``function``, ``method``, ``property``, ``field``, ``attribute`` (set
        by ``__init__``) or ``value``.
    :param doc: its docstring, cleaned; for a value the string below it.
    :param node: where it is defined.
    :param members: the public names within a class, in the order of the source.
    """

    module: str
    path: str
    kind: str
    doc: str
    node: Node
    members: tuple[Definition, ...] = ()

    @property
    def dotted(self) -> str:
        return f"{self.module}.{self.path}" if self.path else self.module

    @property
    def name(self) -> str:
        return self.dotted.rpartition(".")[2]


class Module(NamedTuple):
    """One file: what it defines at its top level, and what the names that it imports stand for."""

    itself: Definition
    defined: dict[str, Definition]
    imported: dict[str, str]


class Package:
    """Every module of a package below a folder.

    :param top: the folder that holds the package.
    """

    def __init__(self, top: Path, name: str) -> None:
        self.modules: dict[str, Module] = {}
        for path in sorted((top / name).rglob("*.py")):
            parts = path.relative_to(top).with_suffix("").parts
            inner = parts[-1] == "__init__"
            module = ".".join(parts[:-1] if inner else parts)
            self.modules[module] = _read(module, path, inner)
        self.homes = _homes(self.modules[name])

    def find(self, dotted: str) -> Definition | None:
        """The definition of a dotted name, followed through imports and the package's lazy names."""
        for _ in range(8):  # of re-exports
            head, tail = dotted, ""
            while head not in self.modules and head:
                head, _, last = head.rpartition(".")
                tail = f"{last}.{tail}" if tail else last
            if not head or not tail:
                return self.modules[head].itself if head else None
            module = self.modules[head]
            first, _, rest = tail.partition(".")
            if first in module.defined:
                return self._member(module.defined[first], rest)
            target = module.imported.get(first) or (self.homes.get(first) if "." not in head else None)
            if target is None:
                return None
            dotted = f"{target}.{rest}" if rest else target
        return None

    def _member(self, found: Definition, path: str) -> Definition | None:
        for name in filter(None, path.split(".")):
            inner = next((member for member in self.all_members(found) if member.name == name), None)
            if inner is None:
                return None
            found = inner
        return found

    def named(self, module: str, name: str) -> Definition | None:
        """What a name means that a module's code uses."""
        home = self.modules[module]
        if name.partition(".")[0] not in (*home.defined, *home.imported):
            return None
        return self.find(f"{module}.{name}")

    def bases(self, found: Definition) -> Iterator[tuple[str, Definition | None]]:
        """The bases of a class as they are written, and what they are where this package defines them."""
        if isinstance(found.node, ast.ClassDef):
            for base in found.node.bases:
                text = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
                yield text, self.named(found.module, text)

    def all_members(self, found: Definition) -> tuple[Definition, ...]:
        """The members of a class, then those that its bases in this package add."""
        members = list(found.members)
        for _, base in self.bases(found):
            if base is not None and base.name != "Record":
                members += [member for member in self.all_members(base) if all(m.name != member.name for m in members)]
        return tuple(members)


def _read(module: str, path: Path, inner: bool) -> Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    itself = Definition(module, "", "module", ast.get_docstring(tree) or "", tree)
    defined: dict[str, Definition] = {}
    imported: dict[str, str] = {}
    for node, after in _statements(tree.body):
        if isinstance(node, ast.ImportFrom):
            parents = module.split(".")[:len(module.split(".")) - node.level + inner] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            imported |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.asname or alias.name: alias.name for alias in node.names}
        else:
            for found in _definitions(module, "", node, after):
                defined.setdefault(found.name, found)
    return Module(itself, defined, imported)


def _statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, ast.stmt | None]]:
    """Statements and what follows each, those under a top-level ``if`` too (``if TYPE_CHECKING:``)."""
    for number, node in enumerate(body):
        after = body[number + 1] if number + 1 < len(body) else None
        if isinstance(node, ast.If):
            yield from _statements(node.body)
            yield from _statements(node.orelse)
        else:
            yield node, after


def _definitions(module: str, within: str, node: ast.stmt, after: ast.stmt | None) -> Iterator[Definition]:
    prefix = f"{within}." if within else ""
    if isinstance(node, ast.ClassDef):
        kind = "record" if any(ast.unparse(b) in ("Record", "NamedTuple") for b in node.bases) else "class"
        path = prefix + node.name
        members = [found for inner, follows in _statements(node.body) for found in _definitions(module, path, inner, follows)]
        members += _attributes(module, path, node, {member.name for member in members})
        yield Definition(module, path, kind, ast.get_docstring(node) or "", node, tuple(members))
    elif isinstance(node, Function):
        marks = {ast.unparse(mark) for mark in node.decorator_list}
        if not any(mark.endswith(".setter") for mark in marks):
            kind = "property" if "property" in marks else "method" if within else "function"
            yield Definition(module, prefix + node.name, kind, ast.get_docstring(node) or "", node)
    elif isinstance(node, (ast.Assign, ast.AnnAssign)):
        below = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            below = " ".join(after.value.value.split())
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                yield Definition(module, prefix + target.id, "field" if within else "value", below, node)


def _attributes(module: str, path: str, within: ast.ClassDef, known: set[str]) -> Iterator[Definition]:
    """The public attributes that a class gives its objects when they are made."""
    makers = [node for node in within.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    for node in [node for maker in makers for node in ast.walk(maker)]:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                name = target.attr if isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self" else "_"
                if public(name) and name not in known:
                    known.add(name)
                    yield Definition(module, f"{path}.{name}", "attribute", "", node)


def _homes(package: Module) -> dict[str, str]:
    """The names that a package's ``__getattr__`` loads: its table ``_HOMES``."""
    table = package.defined["_HOMES"].node
    assert isinstance(table, ast.Assign), "_HOMES is a plain table"
    found: dict[str, str] = ast.literal_eval(table.value)
    return {name: f"{package.itself.module}.{home}.{name}" for name, home in found.items()}


def public(name: str) -> bool:
    """Whether a name is for others."""
    return not name.startswith("_")


def spoken(found: Definition) -> bool:
    """Whether a member is for others: named for them, or a method of Python's own (``__iter__``) that a docstring promises."""
    return public(found.name) or (found.name.startswith("__") and found.name != "__init__" and bool(found.doc))


def signature(found: Definition, package: Package, *, constructor: bool) -> str:
    """How a definition is written down, on one line or with one parameter a line.

    :param constructor: a class is shown with what it is made from.
    """
    node = found.node
    if found.kind == "record" and isinstance(node, ast.ClassDef):
        fields = [m for m in found.members if m.kind == "field" and isinstance(m.node, ast.AnnAssign)]
        return _wrapped(f"class {found.name}", [_field(m.node) for m in fields], "")
    if isinstance(node, ast.ClassDef):
        maker = next((m.node for m in package.all_members(found) if m.name == "__init__"), None)
        if not constructor or not isinstance(maker, Function):
            return f"class {found.name}"
        return _wrapped(f"class {found.name}", _parameters(maker.args, bound=True), "")
    if isinstance(node, Function):
        answer = f" -> {_type(node.returns)}" if node.returns is not None else ""
        if found.kind == "property":
            return found.name + answer.replace(" ->", ":", 1)
        start = "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "
        static = any(ast.unparse(mark) == "staticmethod" for mark in node.decorator_list)
        return _wrapped(start + found.name, _parameters(node.args, bound=found.kind == "method" and not static), answer)
    if isinstance(node, ast.AnnAssign):
        return _field(node)
    if isinstance(node, ast.Assign):
        value = _written(node.value)
        return found.name + (f" = {value}" if len(value) < WIDTH - len(found.name) else "")
    return found.dotted


def types_of(found: Definition, package: Package, *, constructor: bool) -> Iterator[str]:
    """The dotted names that occur in the types of a definition's signature."""
    node = found.node
    if isinstance(node, ast.ClassDef):
        if found.kind == "record":
            for member in found.members:
                yield from types_of(member, package, constructor=False)
        elif constructor:
            for member in package.all_members(found):
                if member.name == "__init__":
                    yield from types_of(member, package, constructor=False)
        return
    types: list[ast.expr | None] = []
    if isinstance(node, Function):
        every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
        types = [*(a.annotation for a in every if a is not None), node.returns]
    elif isinstance(node, ast.AnnAssign):
        types = [node.annotation]
    for expression in filter(None, types):
        for part in ast.walk(expression):
            if isinstance(part, (ast.Name, ast.Attribute)):
                yield ast.unparse(part)


def _field(node: Node) -> str:
    assert isinstance(node, ast.AnnAssign), "a record's field has a type"
    default = f" = {_written(node.value)}" if node.value is not None else ""
    return f"{ast.unparse(node.target)}: {_type(node.annotation)}{default}"


def _type(expression: ast.expr) -> str:
    quoted = isinstance(expression, ast.Constant) and isinstance(expression.value, str)
    return str(ast.literal_eval(expression)) if quoted else _written(expression)


def _written(expression: ast.expr) -> str:
    """An expression with double quotes, as this code base has them."""
    return re.sub(r"'([^'\"\\]*)'", r'"\1"', ast.unparse(expression))


def _parameters(args: ast.arguments, *, bound: bool) -> list[str]:
    """Parameters as they are written, each by itself; ``self`` or ``cls`` left out."""
    plain = [*args.posonlyargs, *args.args]
    defaults = [*[None] * (len(plain) - len(args.defaults)), *args.defaults]
    shown = [_parameter(arg, default) for arg, default in zip(plain, defaults, strict=True)]
    if args.posonlyargs:
        shown.insert(len(args.posonlyargs), "/")
    if bound:
        del shown[0]
        if shown[:1] == ["/"]:
            del shown[0]
    if args.vararg is not None:
        shown.append("*" + _parameter(args.vararg, None))
    elif args.kwonlyargs:
        shown.append("*")
    shown += [_parameter(arg, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg is not None:
        shown.append("**" + _parameter(args.kwarg, None))
    return shown


def _parameter(arg: ast.arg, default: ast.expr | None) -> str:
    text = arg.arg if arg.annotation is None else f"{arg.arg}: {_type(arg.annotation)}"
    if default is None:
        return text
    return f"{text}{' = ' if arg.annotation is not None else '='}{_written(default)}"


def _wrapped(start: str, parameters: list[str], answer: str) -> str:
    line = f"{start}({', '.join(parameters)}){answer}"
    if len(line) <= WIDTH:
        return line
    # A bare * or / stands on the line of its neighbour: alone it looks like a parameter.
    rows: list[str] = []
    for parameter in parameters:
        if parameter == "/" or rows[-1:] == ["*"]:
            rows[-1] = f"{rows[-1]}, {parameter}"
        else:
            rows.append(parameter)
    return f"{start}(\n" + "".join(f"    {row},\n" for row in rows) + f"){answer}"
