"""``conman config check`` and ``conman config show``."""

from __future__ import annotations

from .. import out
from ..context import Context
from ..declare import FLAG, Option, Verb
from ..go_format import json_text, render, wants_json
from ..table import table
from ..values import Values


def _check(context: Context, values: Values) -> int:
    conman = context.conman()
    problems = list(conman.plugins.check_options())
    for problem in problems:
        out.report(problem)
    if problems:
        return 125
    files = conman.config.files
    out.line(f"{', '.join(files)}: fine" if files else "no configuration file; the built-in defaults are fine")
    return 0


def _show(context: Context, values: Values) -> int:
    shown = context.conman().config.show()
    if values.flag("origin"):
        from ...config_lines import Lines

        lines = Lines()
        shown = tuple(row._replace(origin=lines.origin(row)) for row in shown)
    rows = [{"Key": row.key, "Value": row.value, "Origin": row.origin} for row in shown]
    if not values.given("format"):
        cells = [(str(row["Key"]), _toml(row["Value"]), str(row["Origin"])) for row in rows]
        out.write(table([("KEY", "VALUE", "ORIGIN"), *cells]))
    elif wants_json(values.text("format")):
        out.write(json_text(rows))
    else:
        out.write(render(values.text("format"), rows, {}))
    return 0


def _toml(value: object) -> str:
    return json_text(value, indent=None).rstrip("\n")


CHECK = Verb("check", "Check the configuration, the options of every plugin it names included", _check)

SHOW = Verb("show", "Show every value in force and who set it", _show,
            options=(Option("--format", "json, or a template such as '{{.Key}} {{.Value}}'", short="-f",
                            metavar="FORMAT"),
                     Option("--origin", "Name the line of the file, too", FLAG)))
