"""``conman version``."""

from __future__ import annotations

from typing import Mapping

from .. import out
from ..context import Context
from ..declare import Option, Verb
from ..go_format import json_text, render, wants_json
from ..values import Values


def _run(context: Context, values: Values) -> int:
    document = context.conman().version()
    if not values.given("format"):
        out.write("".join(_lines(document, 0)))
    elif wants_json(values.text("format")):
        out.write(json_text(document, indent=2))
    else:
        from ..docker_names import of_version

        out.write(render(values.text("format"), [{**document, **of_version(document)}], {}))
    return 0


def _lines(document: Mapping[str, object], depth: int) -> list[str]:
    width = max((len(key) for key in document), default=0) + 3
    found: list[str] = []
    for key, value in document.items():
        if isinstance(value, Mapping):
            found += ["  " * depth + f"{key}:\n", *_lines(value, depth + 1)]
        else:
            found.append("  " * depth + f"{key + ':':<{width}}{value}\n")
    return found


VERB = Verb("version", "Show the versions of conman, Python and the shim's protocol", _run,
            options=(Option("--format", "json, or a template such as '{{.Version}}'", short="-f", metavar="FORMAT"),))
