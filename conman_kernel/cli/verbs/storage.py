"""``conman storage ls`` and ``conman storage migrate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import FLAG, Option, Verb
from ..global_options import storage_driver
from ..go_format import json_text, render, wants_json
from ..table import table
from ..values import Values
from ..wording import size

if TYPE_CHECKING:
    from ...system.holders import Holder
    from ...system.migration import MigrateReport, MigrateStep

LEFT = 1
"""The exit code where something could not be moved."""


def _list(context: Context, values: Values) -> int:
    holders = context.conman().system.storage(cancel=context.cancel)
    format = values.text("format")
    if wants_json(format):
        out.write(json_text([_row(holder) for holder in holders]))
    elif format:
        out.write(render(format, [_row(holder) for holder in holders], {}))
    else:
        out.write(table([("DRIVER", "DEFAULT", "IMAGES", "LAYERS", "CONTAINERS", "SIZE"), *(
            (holder.name, "yes" if holder.default else "", str(holder.images), str(holder.layers), str(holder.containers),
             "unknown" if holder.problem else size(holder.size, "", 4)) for holder in holders)]))
    for holder in holders:
        if holder.problem and (holder.layers or holder.containers):
            context.conman().log.warning("%s", holder.problem)
    return 0


def _row(holder: Holder) -> dict[str, object]:
    return {"Driver": holder.name, "Default": holder.default, "Images": holder.images, "Layers": holder.layers,
            "Containers": holder.containers, "RawSize": holder.size, "Size": size(holder.size, "", 4), "Problem": holder.problem}


def _migrate(context: Context, values: Values) -> int:
    to, dry_run, quiet = storage_driver(values.text("to")), values.flag("dry-run"), values.flag("quiet")
    if not to:
        raise InvalidInput("--to is missing: the storage driver that everything moves into", hint="conman plugin ls shows them")
    conman = context.conman()

    def tell(step: MigrateStep) -> None:
        if step.kind == "removed":
            out.error_text(f"Removed {step.detail} from {step.subject}\n")
        else:
            out.error_text(f"{'Would move' if dry_run else 'Moved'} {step.kind} {step.subject}: {step.detail}\n")

    report = conman.system.migrate(to=to, source=storage_driver(values.text("from")), dry_run=dry_run,
                                   progress=None if quiet else tell, cancel=context.cancel)
    if wants_json(values.text("format")):
        out.write(json_text(_document(report)))
    else:
        words = f"{_count(report.images, 'image')} and {_count(report.containers, 'container')}"
        out.line(f"{words} would move to {to}" if dry_run else f"{words} moved to {to}")
    for line in report.left:
        out.error_text(f"{line}\n")
    default = conman.config.text("storage.driver")
    if default != to and not dry_run and not quiet:
        out.error_text(f'New containers and pulls still go to {default}: set [storage] driver = "{to}" in conman.toml\n')
    return LEFT if report.left else 0


def _count(ids: tuple[str, ...], what: str) -> str:
    return f"{len(ids)} {what}{'' if len(ids) == 1 else 's'}"


def _document(report: MigrateReport) -> dict[str, object]:
    return {"To": report.to, "From": list(report.sources), "Images": list(report.images), "Containers": list(report.containers),
            "RemovedLayers": report.removed, "Left": list(report.left)}


LIST = Verb(
    "ls", "Show which storage drivers hold what", _list,
    options=(Option("--format", "json, or a template such as '{{.Driver}} {{.Size}}'", metavar="FORMAT"),),
    notes=("A driver that holds nothing is shown only where it is the default one.",))

MIGRATE = Verb(
    "migrate", "Move images and stopped containers to another storage driver", _migrate,
    options=(
        Option("--to", "The storage driver that everything moves into", metavar="DRIVER"),
        Option("--from", "Move only what this driver holds", metavar="DRIVER"),
        Option("--dry-run", "Say what would be moved, and change nothing", FLAG),
        Option("--format", "json: the report as a document", metavar="FORMAT"),
        Option("--quiet", "Show no progress", FLAG, short="-q"),
    ),
    notes=("No container of the drivers that are left may run or be mounted, and none can be started meanwhile.",
           "Each image and container is compared with what it was, entry by entry, before the old one goes.",
           "After an error or a kill, the same command goes on where the first one ended.",
           "Exits with 1 where something was made meanwhile and stays where it is."))
