"""Render docs/reference from the docstrings of ``conman_kernel``, which is read and never imported.

Usage: ``.venv/bin/python tools/reference.py [--check]``. ``--check`` writes nothing: it prints a line for each page that is not
what would be rendered, and for whatever is wrong with the docstrings, and exits with 1 if there is any.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from pathlib import Path
from typing import Iterator

from reference_pages import COVERED, HIDDEN, INTERNAL, LEFT_OUT, PAGES, Entry, K, Page
from reference_promises import STEM as PROMISES
from reference_promises import page as promises
from reference_prose import Resolve, blocks, cell, code, escaped, fields, first_sentence, inline
from reference_source import Definition, Package, public, signature, spoken, types_of

TOP = Path(__file__).resolve().parent.parent
FOLDER = TOP / "docs" / "reference"
CHECKED = "`make docs` renders this page from the docstrings: change them, not this."


class Shown:
    """One heading of a page: a definition, how deep it stands, where links to it lead."""

    def __init__(self, found: Definition, level: int, reached: str, within: str) -> None:
        self.found = found
        self.level = level
        self.reached = reached
        self.title = found.dotted if found.kind == "module" else f"{within}.{found.name}" if within else found.path
        self.where = ""


class Reference:
    """All pages of one package."""

    def __init__(self, top: Path) -> None:
        self.package = Package(top, K)
        self.problems: list[str] = []
        self.pages: dict[str, list[Shown]] = {}
        self.shown: dict[str, Shown] = {}
        for page in PAGES:
            self.pages[page.stem] = list(self._laid_out(page))
            slugs: dict[str, int] = {}
            _anchor(page.title, slugs)
            for shown in self.pages[page.stem]:
                shown.where = f"{page.stem}.md#{_anchor(shown.title, slugs)}"
                self.shown.setdefault(shown.found.dotted, shown)

    def rendered(self) -> dict[str, str]:
        """File name -> text."""
        files = {f"{page.stem}.md": self._page(page) for page in PAGES}
        asked, silent = promises(self.package, CHECKED, lambda found: inline(found.doc, self._resolver(found)))
        self.problems += silent
        if asked:
            files[f"{PROMISES}.md"] = asked
        files["index.md"] = self._index() + (f"\n## [What the kits ask]({PROMISES}.md)\n" if asked else "")
        self._look_for_gaps()
        return files

    def _laid_out(self, page: Page) -> Iterator[Shown]:
        for dotted, reached in _expanded(page.entries, self.package):
            found = self.package.find(dotted)
            if found is None:
                self.problems.append(f"missing: {dotted} of page {page.stem} is not defined")
            elif found.kind == "module":
                yield Shown(found, 2, "", "")
                for inner in self.package.modules[found.module].defined.values():
                    if public(inner.name) and (inner.kind != "value" or inner.doc) and not self._elsewhere(inner):
                        yield from self._with_members(inner, 3, "")
            else:
                yield from self._with_members(found, 2, reached)

    def _with_members(self, found: Definition, level: int, reached: str) -> Iterator[Shown]:
        yield Shown(found, level, reached, "")
        if found.kind in ("class", "record"):
            # A protocol that goes beyond another says "Is a ..." and what it adds: that is what an author has to write.
            protocol = any(text == "Protocol" for text, _ in self.package.bases(found))
            for member in found.members if protocol else self.package.all_members(found):
                if spoken(member) and member.kind in ("method", "property") and member.dotted not in HIDDEN:
                    yield Shown(member, level + 1, "", found.name)

    def _elsewhere(self, found: Definition) -> bool:
        """Whether a name of a module's has been given a page by itself."""
        return any(entry.dotted == found.dotted for page in PAGES for entry in page.entries)

    def _page(self, page: Page) -> str:
        shown = self.pages[page.stem]
        made = [f"# {page.title}", f"<!-- {CHECKED} -->"]
        made += [page.intro] if page.intro else []
        listed = [s for s in shown if s.level == 2]
        if len(listed) > 1:
            made.append("\n".join(f"- [{code(s.title)}](#{s.where.partition('#')[2]}): {self._summary(s.found)}" for s in listed))
        if page.stem == "errors":
            made.append(self._errors(shown))
        for one in shown:
            made += self._section(one)
        return "\n\n".join(made) + "\n"

    def _section(self, one: Shown) -> Iterator[str]:
        found = one.found
        yield f"{'#' * one.level} {escaped(one.title)}"
        constructor = not one.reached
        if found.kind != "module":
            yield f"```py\n{signature(found, self.package, constructor=constructor)}\n```"
            self._look_at_types(found, constructor)
        if one.reached:
            ways = ", ".join(code(way) for way in one.reached.split(", "))
            yield f"From {ways}. Defined in {code(found.module)}.".replace(" and others`", "` and others")
        elif found.module == f"{K}.hookspecs" and found.kind == "function":
            yield f"A plugin's module defines it, marked with {self._name('hookimpl')}."
        elif found.kind != "module" and one.level == 2:
            exported = self.package.homes.get(found.name) == found.dotted
            yield code(f"from {K if exported else found.module} import {found.name}")
        bases = [self._link(base, text) for text, base in self.package.bases(found)
                 if base is not None and base.dotted in self.shown and text != "Record"]
        if bases:
            yield f"Is a {', '.join(bases)}."
        yield from self._prose(one)
        if found.kind == "module":
            yield from self._values(found.module)
            away = [d for d in self.package.modules[found.module].defined.values() if d.kind == "function" and self._elsewhere(d)]
            if away:
                yield "\n".join(f"- {self._link(d, d.name)}: {self._summary(d)}" for d in away)
        elif found.kind in ("class", "record"):
            yield from self._fields(found)

    def _prose(self, one: Shown) -> Iterator[str]:
        found = one.found
        if not found.doc and (promised := self._promised(found)):
            yield f"As {self._link(promised, promised.path)}."
            return
        if not found.doc:
            self.problems.append(f"no docstring: {found.dotted}")
            return
        resolve = self._resolver(found)
        parts = fields(found.doc)
        if parts.text:
            yield blocks(parts.text, resolve)
        listed = [*parts.attributes, *(() if one.reached else parts.parameters)]
        if listed:
            self._look_at_names(found, [name for name, _ in listed])
            yield "\n".join(f"- {code(name)}: {inline(text, resolve)}" for name, text in listed)
        if parts.returns:
            yield f"Returns: {inline(parts.returns, resolve)}"
        if parts.raises:
            yield "Raises:\n\n" + "\n".join(
                f"- {', '.join(self._error(name.strip(), resolve) for name in names.split(','))}: {inline(text, resolve)}"
                for names, text in parts.raises)

    def _promised(self, found: Definition) -> Definition | None:
        """What a method is by the protocol that its class says it implements."""
        owner = self.package.find(found.dotted.rpartition(".")[0])
        for protocol in re.findall(r"[Ii]mplements :class:`~?([^`]+)`", owner.doc if owner is not None else ""):
            member = self._target(found, f"{protocol}.{found.name}")
            if member is not None:
                return member
        return None

    def _error(self, name: str, resolve: Resolve) -> str:
        """An exception by its bare name: nearly all are in one module."""
        return resolve("class", f"{K}.errors.{name}" if self.package.find(f"{K}.errors.{name}") else name)

    def _values(self, module: str) -> Iterator[str]:
        """The constants of a module that have no text of their own."""
        every = [d for d in self.package.modules[module].defined.values() if d.kind == "value" and public(d.name)]
        plain = [signature(d, self.package, constructor=False) for d in every
                 if not d.doc and d.dotted not in HIDDEN and not _is_type_variable(d) and d.name != "TYPE_CHECKING"]
        if plain:
            yield "```py\n" + "\n".join(plain) + "\n```"

    def _fields(self, found: Definition) -> Iterator[str]:
        """Documented attributes and an enumeration's members, one a line; a record's are in its signature and parameters."""
        rows = []
        for member in found.members:
            if public(member.name) and member.kind == "field" and (found.kind == "class" or member.doc):
                text = inline(member.doc, self._resolver(member)) if member.doc else ""
                rows.append(f"- {code(signature(member, self.package, constructor=False))}" + (f": {text}" if text else ""))
        if rows:
            yield "\n".join(rows)

    def _errors(self, shown: list[Shown]) -> str:
        rows = ["| error | is a | exit code | when |", "| --- | --- | --- | --- |"]
        for one in shown:
            if one.found.kind == "class":
                base = next((text for text, _ in self.package.bases(one.found)), "")
                rows.append(f"| [{one.title}](#{one.where.partition('#')[2]}) | {base} | {self._exit_code(one.found)} | "
                            f"{cell(self._summary(one.found))} |")
        return "\n".join(rows)

    def _exit_code(self, found: Definition) -> str:
        own = next((m for m in self.package.all_members(found) if m.name == "exit_code"), None)
        return signature(own, self.package, constructor=False).rpartition("= ")[2] if own else ""

    def _index(self) -> str:
        made = ["# API reference", f"<!-- {CHECKED} -->",
                "Rendered from the docstrings. [python.md](../python.md) and [images.md](../images.md) are the way in;\n"
                "this is what each call takes, returns and raises. `conman_kernel` itself exports "
                + ", ".join(self._name(name) for name in sorted(self.package.homes)) + "."]
        for page in PAGES:
            rows = [f"## [{page.title}]({page.stem}.md)"]
            names = [s for s in self.pages[page.stem] if s.level == 2]
            rows += ["\n".join(f"- [{code(s.title)}]({s.where}): {self._summary(s.found)}" for s in names)]
            made += rows
        return "\n\n".join(made) + "\n"

    def _name(self, name: str) -> str:
        found = self.package.find(f"{K}.{name}")
        return self._link(found, name) if found is not None else code(name)

    def _summary(self, found: Definition) -> str:
        return inline(first_sentence(found.doc), self._resolver(found))

    def _link(self, found: Definition, text: str) -> str:
        shown = self.shown.get(found.dotted)
        return f"[{code(text)}]({shown.where})" if shown is not None else code(text)

    def _resolver(self, within: Definition) -> Resolve:
        def resolve(role: str, target: str) -> str:
            found = self._target(within, target.lstrip("~"))
            text = target.lstrip("~.") if not target.startswith("~") else target.rpartition(".")[2]
            if found is not None:
                if found.kind == "class" or found.kind == "record" or (role in ("meth", "attr") and "." in text):
                    text = self.shown[found.dotted].title if found.dotted in self.shown and role == "meth" else found.path
                if found.dotted not in self.shown and not self._shown_member(found):
                    self.problems.append(f"leads nowhere: :{role}:`{target}` in {within.dotted} is not on a page")
                    return code(text)
                return self._link(self._shown_member(found) or found, text)
            if not _is_foreign(target):
                self.problems.append(f"leads nowhere: :{role}:`{target}` in {within.dotted}")
            return code(text)

        return resolve

    def _shown_member(self, found: Definition) -> Definition | None:
        """For a field, which has no heading of its own, its class."""
        if found.dotted in self.shown:
            return found
        if found.kind in ("field", "attribute") and "." in found.path:
            owner = self.package.find(found.dotted.rpartition(".")[0])
            return owner if owner is not None and owner.dotted in self.shown else None
        return None

    def _target(self, within: Definition, target: str) -> Definition | None:
        if not target.startswith("."):
            whole = self.package.find(target) if target.startswith(f"{K}.") or target == K else None
            if whole is not None:
                return whole
            scopes = within.path.split(".")
            for depth in range(len(scopes), -1, -1):
                found = self.package.find(".".join([within.module, *scopes[:depth], target]))
                if found is not None:
                    return found
        ending = "." + target.lstrip(".")
        near = within.module.rpartition(".")[0]
        ends = [d for d in self._every() if d.dotted.endswith(ending)] or list(self._inherited(ending))
        ends.sort(key=lambda d: (d.dotted not in self.shown, not d.module.startswith(near), d.dotted))
        return ends[0] if len(ends) == 1 or (ends and target.startswith((".", K))) else None

    def _inherited(self, ending: str) -> Iterator[Definition]:
        """Members that a class has of its bases, by the class's name: ``.Container.logs``."""
        owner, _, name = ending.rpartition(".")
        for found in self._every():
            if owner and found.kind in ("class", "record") and found.dotted.endswith(owner):
                yield from (member for member in self.package.all_members(found) if member.name == name)

    def _every(self) -> Iterator[Definition]:
        for module in self.package.modules.values():
            yield module.itself
            for found in module.defined.values():
                yield found
                yield from found.members

    def _look_at_names(self, found: Definition, documented: list[str]) -> None:
        """Parameters that a docstring tells of must be there."""
        text = signature(found, self.package, constructor=True)
        known = text + " ".join(member.name for member in self.package.all_members(found))
        slots = self.package.find(f"{found.dotted}.__slots__")
        known += signature(slots, self.package, constructor=False) if slots is not None else ""
        self.problems += [f"no such parameter: {name} in {found.dotted}" for name in documented if name.lstrip("*") not in known]

    def _look_at_types(self, found: Definition, constructor: bool) -> None:
        """A type in a signature is on a page itself."""
        for name in types_of(found, self.package, constructor=constructor):
            used = self.package.named(found.module, name)
            if used is not None and used.dotted not in self.shown and used.kind in ("class", "record", "value") \
                    and public(used.name) and not used.module.startswith(INTERNAL) and not _is_type_variable(used):
                self.problems.append(f"not on a page: {used.dotted}, in the signature of {found.dotted}")

    def _look_for_gaps(self) -> None:
        """Every exported name, and every module of the public packages, is on a page."""
        exported = [f"{K}.{name}" for name in self.package.homes]
        self.problems += [f"not on a page: {name}" for name in exported
                          if (found := self.package.find(name)) is None or found.dotted not in self.shown]
        for module in self.package.modules:
            if module.startswith(tuple(f"{K}.{name}" for name in COVERED)) and module not in self.shown \
                    and not module.startswith(tuple(LEFT_OUT)) and module != f"{K}.oci":
                self.problems.append(f"not on a page: {module}")


def _expanded(entries: tuple[Entry, ...], package: Package) -> Iterator[Entry]:
    for entry in entries:
        if entry.dotted.endswith(".*"):
            prefix = entry.dotted[:-1]
            yield from (Entry(m) for m in sorted(package.modules)
                        if m.startswith(prefix) and "." not in m[len(prefix):] and m not in LEFT_OUT)
        else:
            yield entry


def _is_type_variable(found: Definition) -> bool:
    return isinstance(found.node, ast.Assign) and ast.unparse(found.node.value).startswith("TypeVar(")


def _is_foreign(target: str) -> bool:
    """A name of Python's own."""
    first = target.lstrip("~").partition(".")[0]
    return first in sys.stdlib_module_names or hasattr(builtins, first)


def _anchor(title: str, taken: dict[str, int]) -> str:
    """What a heading is called in links, as GitHub makes it."""
    slug = "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
    number = taken.get(slug, 0)
    taken[slug] = number + 1
    return f"{slug}-{number}" if number else slug


def main() -> int:
    """Render, or check."""
    reference = Reference(TOP)
    files = reference.rendered()
    there = {path.name for path in FOLDER.glob("*.md")}
    stale = [name for name in sorted(files) if name not in there or (FOLDER / name).read_text(encoding="utf-8") != files[name]]
    stale += sorted(there - set(files))
    if "--check" in sys.argv:
        problems = [f"stale: {name}; make docs renders it" for name in stale] + sorted(set(reference.problems))
        print("\n".join(problems))
        return 1 if problems else 0
    FOLDER.mkdir(exist_ok=True)
    for name in there - set(files):
        (FOLDER / name).unlink()
    for name in stale:
        if name in files:
            (FOLDER / name).write_text(files[name], encoding="utf-8")
            print(f"docs/reference/{name}")
    for problem in sorted(set(reference.problems)):
        print(problem, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
