"""``conman history``, also ``conman image history``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .. import out
from ..context import Context
from ..declare import FLAG, IMAGE, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..table import table
from ..values import Values
from ..wording import ago, go_time, size, utc

if TYPE_CHECKING:
    from ...images.history import HistoryEntry

_HEADINGS = {"CreatedSince": "CREATED"}
_WIDTH = 42
"""How much of a command is shown; three dots at its end where it is longer."""


def _run(context: Context, values: Values) -> int:
    steps = context.conman().images.history(values.arguments[0])
    format, whole, human = values.text("format"), values.flag("no-trunc"), values.flag("human")
    if wants_json(format):
        out.write(json_text([_document(step) for step in steps]))
        return 0
    now = time.time()
    rows = [_row(step, now, whole=whole, human=human) for step in steps]
    if values.flag("quiet"):
        out.write("".join(f"{row['ID']}\n" for row in rows))
    elif format:
        out.write(render(format, rows, _HEADINGS))
    else:
        out.write(table([("ID", "CREATED", "CREATED BY", "SIZE", "COMMENT"),
                         *(tuple(str(row[name]) for name in ("ID", "Created", "CreatedBy", "Size", "Comment")) for row in rows)]))
    return 0


def _document(step: HistoryEntry) -> dict[str, object]:
    return {"id": step.id, "created": utc(step.created), "CreatedBy": step.created_by, "size": step.size,
            "comment": step.comment, "tags": list(step.tags) or None, "Created": utc(step.created)}


def _row(step: HistoryEntry, now: float, *, whole: bool, human: bool) -> dict[str, object]:
    command = " ".join(step.created_by.split())
    if not whole and len(command) > _WIDTH + 3:
        command = command[:_WIDTH] + "..."
    since = ago(step.created, now)
    return {"ID": step.id if whole else step.id[:12], "Created": since if human else utc(step.created), "CreatedSince": since,
            "CreatedAt": go_time(step.created), "CreatedBy": command, "Size": size(step.size) if human else str(step.size),
            "Comment": step.comment, "Tags": list(step.tags)}


VERB = Verb(
    "history", "Show how an image was made", _run, arguments=(Argument("IMAGE", 1, 1, IMAGE),),
    options=(
        Option("--format", "json, or a template such as '{{.ID}} {{.CreatedBy}}'", metavar="FORMAT"),
        Option("--human", "Sizes and times in words (--human=false: bytes and dates)", FLAG, short="-H", default=True),
        Option("--no-trunc", "Show whole ids and commands", FLAG, aliases=("--notruncate",)),
        Option("--quiet", "Print the ids only", FLAG, short="-q"),
    ))
