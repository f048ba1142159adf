"""``conman info``."""

from __future__ import annotations

from typing import Mapping

from .. import out
from ..context import Context
from ..declare import Option, Verb
from ..go_format import json_text, render, wants_json
from ..values import Values


def _run(context: Context, values: Values) -> int:
    document = context.conman().info()
    if not values.given("format"):
        out.write("".join(line + "\n" for line in _lines(document, 0)))
    elif wants_json(values.text("format")):
        out.write(json_text(document, indent=2))
    else:
        from ..docker_names import of_info

        out.write(render(values.text("format"), [of_info(document)], {}))
    return 0


def _lines(document: Mapping[str, object], depth: int) -> list[str]:
    """The document as YAML, as far as this document needs it."""
    found: list[str] = []
    for key, value in document.items():
        start = "  " * depth + f"{key}:"
        if isinstance(value, Mapping) and value:
            found += [start, *_lines(value, depth + 1)]
        elif isinstance(value, (list, tuple)) and value:
            found += [start, *(f"{'  ' * depth}- {_scalar(item)}" for item in value)]
        else:
            found.append(f"{start} {_scalar(value)}")
    return found


def _scalar(value: object) -> str:
    if isinstance(value, Mapping):
        return "{}" if not value else "{" + ", ".join(f"{key}: {_scalar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value,
                  str) and (not value or value != value.strip() or value[0] in "-?:[]{}#&*!|>'\"%@`," or ": " in value
                                   or "\n" in value or value.replace(".", "").isdecimal()):
        return json_text(value, indent=None).rstrip("\n")
    return str(value)


VERB = Verb("info", "Show what conman runs on and with", _run,
            options=(Option("--format", "json, or a template such as '{{.host.arch}}'", short="-f", metavar="FORMAT"),))
