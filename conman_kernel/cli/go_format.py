"""``--format``: ``json``, and of Go's templates ``{{.Field}}``, ``{{.A.B}}``, ``{{json .Field}}``, ``table ...``."""

from __future__ import annotations

from typing import Mapping, Sequence

from ..errors import InvalidInput
from ..record import Record
from .table import table

Row = Mapping[str, object]


class _Place(Record):
    """One ``{{...}}``: the path of the field (empty: the whole row), and whether it is wanted as JSON."""

    path: tuple[str, ...]
    json: bool


def json_text(value: object, indent: int | None = 4) -> str:
    """A document as podman prints it, with its last newline."""
    import json

    separators = (",", ":") if indent is None else None
    return json.dumps(value, indent=indent, separators=separators, ensure_ascii=False, default=list) + "\n"


def wants_json(format: str) -> bool:
    """True for ``json`` (and its written-out form)."""
    return format.strip() in ("json", "{{json .}}", "{{ json . }}")


def render(format: str, rows: Sequence[Row], headings: Mapping[str, str], *, heading: bool = True) -> str:
    """Print rows by a template, one line each.

    :param format: the template; ``table `` before it asks for columns with a heading.
    :param headings: field -> heading, where that is not the field's name in upper case.
    :param heading: False: no heading, whatever the template says (``--noheading``).
    :raises InvalidInput: a template of another form, or a field that the rows do not have.
    """
    text = format.replace("\\t", "\t").replace("\\n", "\n")
    columns = text.startswith("table ") or text == "table"
    parts = _parse(text[5:].strip() if columns else text)
    if not columns:
        return "".join("".join(_cell(part, row) for part in parts) + "\n" for row in rows)
    cells: list[list[_Place | str]] = [[]]
    for part in parts:
        pieces = part.replace(" ", "\t").split("\t") if isinstance(part, str) else []
        if isinstance(part, _Place):
            cells[-1].append(part)
        for number, piece in enumerate(pieces):
            if number and cells[-1]:
                cells.append([])
            if piece:
                cells[-1].append(piece)
    cells = [cell for cell in cells if cell]
    head = [["".join(_heading(part, headings) for part in cell) for cell in cells]] if heading else []
    return table(head + [["".join(_cell(part, row) for part in cell) for cell in cells] for row in rows])


def _parse(text: str) -> list[_Place | str]:
    parts: list[_Place | str] = []
    while text:
        before, opened, rest = text.partition("{{")
        if before:
            parts.append(before)
        if not opened:
            break
        inner, closed, text = rest.partition("}}")
        parts.append(_place(inner.strip(), complete=bool(closed)))
    return parts


def _place(inner: str, *, complete: bool) -> _Place:
    as_json = inner.startswith("json ")
    name = inner[5:].strip() if as_json else inner
    path = tuple(part for part in name.split(".") if part)
    if not complete or not name.startswith(".") or not all(part.replace("_", "").isalnum() for part in path):
        raise InvalidInput(f"--format: {{{{{inner}}}}} is not understood",
                           hint="'json', '{{.Field}}', '{{json .Field}}' and 'table ...' work; the rest of Go's "
                                "templates comes with the release of the image library")
    return _Place(path, as_json)


def _heading(part: _Place | str, headings: Mapping[str, str]) -> str:
    if isinstance(part, str):
        return part
    name = part.path[-1] if part.path else ""
    return headings.get(name, name.upper())


def _cell(part: _Place | str, row: Row) -> str:
    if isinstance(part, str):
        return part
    value: object = row
    for name in part.path:
        if isinstance(value, Mapping) and name not in value:
            # Go's field names: {{.Host.Arch}} is what the document calls host.arch.
            name = next((known for known in value if str(known).lower() == name.lower()), name)
        if not isinstance(value, Mapping) or name not in value:
            near = _near(name, list(value) if isinstance(value, Mapping) else [])
            raise InvalidInput(f"--format: there is no field .{'.'.join(part.path)}", hint=near)
        value = value[name]
    return json_text(value, indent=None).rstrip("\n") if part.json else go_text(value)


def _near(name: str, known: Sequence[str]) -> str:
    from .usage import nearest

    near = nearest(name, known)
    return f"did you mean .{near}?" if near else (f"fields: {' '.join(known)}" if known else "")


def go_text(value: object) -> str:
    """A value as Go's templates print it."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{go_text(value[key])}" for key in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(go_text(item) for item in value) + "]"
    return str(value)
