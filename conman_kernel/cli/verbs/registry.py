"""``conman registry tags`` and ``conman registry ls``: what a registry lists."""

from __future__ import annotations

from typing import Iterable

from .. import out
from ..access import ACCESS_OPTIONS, access
from ..context import Context
from ..declare import Argument, Option, Verb
from ..go_format import json_text, wants_json
from ..values import Values


def _tags(context: Context, values: Values) -> int:
    registries = context.conman().registries
    return _show(registries.tags(values.arguments[0], access=access(values), cancel=context.cancel), values)


def _ls(context: Context, values: Values) -> int:
    registries = context.conman().registries
    return _show(registries.repositories(values.arguments[0], access=access(values), cancel=context.cancel), values)


def _show(found: Iterable[str], values: Values) -> int:
    if wants_json(values.text("format")):
        out.write(json_text(list(found)))
    else:
        for one in found:
            out.line(one)
    return 0


_OPTIONS = (*ACCESS_OPTIONS, Option("--format", "json, or one a line", metavar="FORMAT", choices=("json",)))

TAGS = Verb("tags", "List the tags of a repository", _tags, arguments=(Argument("REPOSITORY", 1, 1),), options=_OPTIONS)

LS = Verb("ls", "List the repositories of a registry that has a catalogue", _ls, arguments=(Argument("REGISTRY", 1, 1),),
          options=_OPTIONS)
