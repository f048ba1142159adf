"""``conman volume create``, ``exists``, ``inspect``, ``ls`` and ``rm``; ``prune`` is beside the other prunes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConmanError, InvalidInput, NotFound
from .. import out
from ..context import Context
from ..declare import ARRAY, FLAG, INTEGER, VOLUME, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..several import removal_code, split_filters
from ..table import table
from ..values import Values
from ..wording import go_time

if TYPE_CHECKING:
    from typing import Sequence

    from ...volumes.volume import Volume

_HEADINGS = {"Name": "VOLUME NAME"}


def _create(context: Context, values: Values) -> int:
    options = {}
    for text in values.many("opt"):
        key, _, value = text.partition("=")
        options[key] = value
    labels = {}
    for text in values.many("label"):
        key, _, value = text.partition("=")
        if not key:
            raise InvalidInput(f'invalid label "{text}": KEY=VALUE')
        labels[key] = value
    name = values.arguments[0] if values.arguments else ""
    volume = context.conman().volumes.create(name, driver=values.text("driver"), options=options, labels=labels,
                                             exist_ok=values.flag("ignore"), cancel=context.cancel)
    out.line(volume.name)
    return 0


def _exists(context: Context, values: Values) -> int:
    return 0 if context.conman().volumes.exists(values.arguments[0]) else 1


def _ls(context: Context, values: Values) -> int:
    filters: dict[str, list[str]] = {}
    for key, value in split_filters(values.many("filter")):
        filters.setdefault(key, []).append(value)
    found = context.conman().volumes.list(filters=filters)
    format, heading = values.text("format"), not values.flag("noheading")
    if values.flag("quiet"):
        if format:
            raise InvalidInput("cannot use --quiet and --format flags together")
        out.write("".join(f"{volume.name}\n" for volume in found))
    elif wants_json(format):
        out.write(json_text(_documents(found), indent=2))
    elif format:
        out.write(render(format, _rows(found), _HEADINGS, heading=heading))
    elif found:
        out.write(table([*([("DRIVER", "VOLUME NAME")] if heading else []), *((one.driver, one.name) for one in found)]))
    return 0


def _documents(volumes: Sequence[Volume]) -> list[dict[str, object]]:
    return [volume.inspect() for volume in volumes]


def _rows(volumes: Sequence[Volume]) -> list[dict[str, object]]:
    """As templates see them: every field, and times as Go prints them."""
    return [_row(volume) for volume in volumes]


def _row(volume: Volume) -> dict[str, object]:
    from ..docker_names import of_inspected
    from ..templates.values import Method

    document = {**volume.inspect(), "CreatedAt": go_time(volume.created)}
    label = Method(lambda words: dict(volume.labels).get(words[0], ""), 1)
    return {**of_inspected("volume", document), "Label": label}


def _inspect(context: Context, values: Values) -> int:
    volumes = context.conman().volumes
    found: list[Volume] = []
    problems: list[NotFound] = []
    if values.flag("all") == bool(values.arguments):
        raise InvalidInput("cannot specify VOLUME and --all" if values.arguments else
                           "provide one or more volume names or use --all")
    if values.flag("all"):
        found = volumes.list()
    for name in values.arguments:
        try:
            found.append(volumes.get(name))
        except NotFound:
            problems.append(NotFound(f"inspecting object: no such volume {name}"))
    format = values.text("format")
    if wants_json(format):
        out.write(json_text(_documents(found), indent=5))
    elif found:
        out.write(render(format, _rows(found), _HEADINGS))
    for error in problems:
        out.report(error)
    return 125 if problems else 0


def _rm(context: Context, values: Values) -> int:
    volumes, force, timeout = context.conman().volumes, values.flag("force"), values.integer("time")
    if timeout is not None and not force:
        raise InvalidInput("--force option must be specified to use the --time option")
    if values.flag("all") == bool(values.arguments):
        raise InvalidInput("choose either one or more volumes or all")
    names = [volume.name for volume in volumes.list()] if values.flag("all") else values.arguments
    codes: set[int] = set()
    for name in names:
        try:
            volumes.remove(name, force=force, timeout=timeout, cancel=context.cancel)
        except ConmanError as error:
            if error.exit_code == 130:
                raise
            if not (force and isinstance(error, NotFound)):
                out.report(error)
                codes.add(removal_code(error))
        else:
            out.line(name)
    return 0 if not codes else codes.pop() if len(codes) == 1 else 125


CREATE = Verb(
    "create", "Make a volume", _create, arguments=(Argument("NAME", 0, 1),),
    options=(
        Option("--driver", "Who keeps it: local", short="-d", metavar="DRIVER", default="local"),
        Option("--ignore", "One of that name that is there is no error", FLAG),
        Option("--label", "Label of the volume", ARRAY, short="-l", metavar="KEY=VALUE"),
        Option("--opt", "Of the driver: type=, device=, o= as mount(8) takes them; nocopy", ARRAY, short="-o",
               metavar="KEY=VALUE"),
    ),
    notes=("Without a name one is made up. With type and device that file system is mounted there while a container uses the "
           "volume: --opt type=tmpfs --opt device=tmpfs --opt o=size=1g; --opt type=none --opt o=bind --opt device=/srv/data.",))

EXISTS = Verb("exists", "Exit with 0 where there is a volume of this name, with 1 where not; nothing is printed", _exists,
              arguments=(Argument("VOLUME", 1, 1, VOLUME),))

LS = Verb(
    "ls", "List volumes", _ls,
    options=(
        Option("--filter", "Only those that match: dangling, driver, label, name, opt, scope, since, until", ARRAY, short="-f",
               metavar="KEY=VALUE"),
        Option("--format", "json, or a template such as '{{.Name}} {{.Mountpoint}}'", metavar="FORMAT"),
        Option("--noheading", "Print no heading", FLAG, short="-n"),
        Option("--quiet", "Print names only", FLAG, short="-q"),
    ))

INSPECT = Verb(
    "inspect", "Describe volumes as JSON", _inspect, arguments=(Argument("VOLUME", 0, None, VOLUME),),
    options=(
        Option("--all", "Describe all volumes", FLAG, short="-a"),
        Option("--format", "json, or a template such as '{{.Mountpoint}}'", short="-f", metavar="FORMAT", default="json"),
    ))

RM = Verb(
    "rm", "Remove volumes with everything in them", _rm, arguments=(Argument("VOLUME", 0, None, VOLUME),),
    options=(
        Option("--all", "Remove all volumes", FLAG, short="-a"),
        Option("--force", "Remove the containers that have it first, running or not; one that does not exist is no error", FLAG,
               short="-f"),
        Option("--time", "With --force: seconds between the stop signal and SIGKILL", INTEGER, short="-t", metavar="SECONDS"),
    ),
    notes=("A volume that a container has, running or not, is not removed: exit code 2. One that does not exist: 1.",))
