"""``conman doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import ConfigError
from .. import out
from ..context import Context
from ..declare import FLAG, Option, Verb
from ..go_format import json_text, render, wants_json
from ..values import Values

if TYPE_CHECKING:
    from ...doctor.report import DoctorReport, Examined

ILL = 1
"""The exit code where something that is selected or needed does not work."""


def _run(context: Context, values: Values) -> int:
    report = _examined(context)
    shown = [one for one in report.findings if one.finding.severity != "note" or not values.flag("quiet")]
    format = values.text("format")
    if wants_json(format):
        out.write(json_text({"Healthy": report.healthy, "Checks": report.checks, "Findings": [_row(one) for one in shown]}))
    elif format:
        out.write(render(format, [_row(one) for one in shown], {}))
    else:
        out.write(_text(report, shown))
    return 0 if report.healthy else ILL


def _examined(context: Context) -> DoctorReport:
    try:
        conman = context.conman()
    except ConfigError as error:
        from ...doctor.examine import examine_host

        return examine_host(error, cancel=context.cancel)
    return conman.doctor(cancel=context.cancel)


def _row(one: Examined) -> dict[str, object]:
    return {"Severity": one.finding.severity, "Subject": one.finding.subject, "Meaning": one.finding.meaning,
            "Advice": one.finding.advice, "Source": one.source, "Check": one.check}


def _text(report: DoctorReport, shown: list[Examined]) -> str:
    lines: list[str] = []
    for one in shown:
        found = one.finding
        who = "" if one.source == "conman" or one.source == found.subject else f" [{one.source}]"
        lines.append(f"{found.severity}: {found.subject}: {found.meaning}{who}")
        if found.advice:
            lines.append(f"    to do: {found.advice}")
    count = {kind: sum(one.finding.severity == kind for one in report.findings) for kind in ("error", "warning", "note")}
    told = [f"{number} {kind}{'s' if number > 1 else ''}" for kind, number in count.items() if number]
    lines.append(f"{report.checks} checks: {', '.join(told) if told else 'nothing wrong'}")
    return "".join(" ".join(line.split("\n")) + "\n" for line in lines)


VERB = Verb(
    "doctor", "Look for what would keep containers from working on this host, and say what to do; changes nothing", _run,
    options=(
        Option("--format", "json, or a template such as '{{.Severity}} {{.Subject}}'", metavar="FORMAT"),
        Option("--quiet", "Leave notes out", FLAG, short="-q"),
    ),
    notes=("Exits with 0 where nothing is wrong; warnings and notes do not count. With 1 where something is.",))
