"""``--format``: ``json``, or a template of Go's (:mod:`.templates`, which is imported only where there is one)."""

from __future__ import annotations

from typing import Mapping, Sequence

Row = Mapping[str, object]


def json_text(value: object, indent: int | None = 4) -> str:
    """A document as podman prints it, with its last newline."""
    import json

    separators = (",", ":") if indent is None else None
    return json.dumps(value, indent=indent, separators=separators, ensure_ascii=False, default=list) + "\n"


def wants_json(format: str) -> bool:
    """True for ``json``, and for ``{{json .}}``, which podman takes for the same."""
    return "".join(format.split()) in ("json", "{{json}}", "{{json.}}")


def render(format: str, rows: Sequence[Row], headings: Mapping[str, str], *, heading: bool = True) -> str:
    """Print rows by a template, one line each; one that begins with ``{{range .}}`` gets them all at once.

    :param format: the template; ``table `` before it asks for columns with a heading.
    :param rows: each is a struct: a field that it lacks is an error. What is a map in it is told in :mod:`.templates.fields`.
        A :class:`.templates.values.Method` is a field that takes arguments, or is worked out only where it is asked for.
    :param headings: field -> heading, where that is not the field's name in capital words (``CreatedAt``: ``CREATED AT``).
    :param heading: False: no heading, whatever the template says (``--noheading``).
    :raises InvalidInput: it is no template, or asks for what the rows do not have; the message has line and column.
    """
    from .templates.form import Form

    return Form(format, headings).text(rows, heading=heading)
