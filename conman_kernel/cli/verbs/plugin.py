"""``conman plugin ls`` and ``conman plugin inspect``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .. import out
from ..context import Context
from ..declare import FLAG, PLUGIN, Argument, Option, Verb
from ..go_format import json_text, render, wants_json
from ..table import table
from ..values import Values

if TYPE_CHECKING:
    from ...kernel import Conman

_HEADINGS = {"Slot": "SLOT", "Name": "NAME", "Distribution": "DISTRIBUTION", "Version": "VERSION",
             "Selected": "SELECTED"}


def _ls(context: Context, values: Values) -> int:
    if values.flag("check") and not values.flag("quiet"):
        return _check(context, values)
    conman = context.conman()
    found = conman.plugins.list()
    _tell_unreadable(conman)
    if os.path.exists(conman.layout.index):
        _tell_absent(conman)
    if values.flag("quiet"):
        out.write("".join(f"{plugin.name}\n" for plugin in found))
        return 0
    rows = [{"Slot": p.slot, "Name": p.name, "Distribution": p.distribution, "Version": p.version,
             "Selected": p.selected}
            for p in found]
    if not values.given("format"):
        head = [] if values.flag("noheading") else [tuple(_HEADINGS.values())]
        out.write(table([*head, *((p.slot, p.name, p.distribution, p.version,
                                   "yes" if p.selected else "") for p in found)]))
    elif wants_json(values.text("format")):
        out.write(json_text(rows))
    else:
        out.write(render(values.text("format"), rows, _HEADINGS, heading=not values.flag("noheading")))
    return 0


def _tell_unreadable(conman: Conman) -> None:
    for folder in conman.plugins.unreadable:
        out.error_text(f"Warning: the metadata {folder} cannot be read: plugins of that distribution are not there\n"
                       "Hint: pip install --force-reinstall it, or remove the folder\n")


def _tell_absent(conman: Conman) -> None:
    """What the store needs and is not installed, on standard error: it is in no list of what is."""
    from ...doctor.parts import absent
    from ...store.looking import LookingIndex

    for group, name, users in absent(conman.plugins, LookingIndex(conman.layout)):
        out.error_text(f"Warning: {name} ({group}) is not installed, and needed by {users}\nHint: pip install conman-{name}\n")


def _check(context: Context, values: Values) -> int:
    conman = context.conman()
    states = conman.plugin_states()
    _tell_unreadable(conman)
    rows = [{"Slot": s.info.slot, "Name": s.info.name, "Distribution": s.info.distribution, "Version": s.info.version,
             "Selected": s.info.selected, "State": s.state, "Reason": s.reason, "Hint": s.hint, "NeededBy": list(s.needed)}
            for s in states]
    if not values.given("format"):
        head = [] if values.flag("noheading") else [("SLOT", "NAME", "DISTRIBUTION", "SELECTED", "STATE", "REASON")]
        out.write(table([*head, *((s.info.slot, s.info.name, f"{s.info.distribution} {s.info.version}".strip(),
                                   "yes" if s.info.selected else "", s.state,
                                   ". ".join(text for text in (s.reason, s.hint) if text)) for s in states)]))
    elif wants_json(values.text("format")):
        out.write(json_text(rows))
    else:
        out.write(render(values.text("format"), rows, _HEADINGS, heading=not values.flag("noheading")))
    return 0


def _inspect(context: Context, values: Values) -> int:
    from ...config import ConfigValue
    from ...config_lines import Lines

    lines = Lines()
    rows: list[dict[str, object]] = []
    for name in values.arguments:
        for view in context.conman().plugin_views(name):
            report = view.report
            rows.append({
                "Slot": report.info.slot, "Name": report.info.name, "Distribution": report.info.distribution,
                "Version": report.info.version, "Selected": report.info.selected, "Api": report.api,
                "Summary": report.summary, "Available": report.available, "Reason": report.reason, "Hint": report.hint,
                "Features": dict(view.features), "Protocols": list(view.protocols),
                "Options": [{"Name": o.option.name, "Type": o.option.type, "Default": o.option.default, "Value": o.value,
                             "Origin": lines.origin(ConfigValue(f"plugin.{name}.{o.option.name}", o.value, o.origin)),
                             "Doc": o.option.doc} for o in report.options]})
    if wants_json(values.text("format")):
        out.write(json_text(rows))
    else:
        out.write(render(values.text("format"), rows, {}))
    return 0


LS = Verb(
    "ls", "List the plugins that are installed; none is loaded for it", _ls,
    options=(
        Option("--check", "Load those that something asks for, and say whether each works on this host", FLAG),
        Option("--format", "json, or a template such as '{{.Name}}'", metavar="FORMAT"),
        Option("--noheading", "Print no heading", FLAG, short="-n"),
        Option("--quiet", "Print the names only", FLAG, short="-q"),
    ))

INSPECT = Verb(
    "inspect", "Load plugins and show what they offer, their options, and whether they work on this host", _inspect,
    arguments=(Argument("PLUGIN", 1, None, PLUGIN),),
    options=(Option("--format", "json, or a template such as '{{.Available}}'", short="-f", metavar="FORMAT",
                    default="json"),))
