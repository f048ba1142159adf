"""``conman system check``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import InvalidInput
from .. import out
from ..context import Context
from ..declare import FLAG, Option, Verb
from ..go_format import json_text, render, wants_json
from ..values import Values

if TYPE_CHECKING:
    from ...system.findings import CheckReport, Finding

LEFT = 1
"""The exit code where findings remain."""


def _run(context: Context, values: Values) -> int:
    repair, force, quick = values.flag("repair") or values.flag("repair-lossy"), values.flag("force"), values.flag("quick")
    if force and not repair:
        raise InvalidInput("--force does nothing without --repair")
    if quick and values.flag("verify-layers"):
        raise InvalidInput("--quick and --verify-layers cannot be used together")
    report = context.conman().system.check(
        repair=repair, force=force or values.flag("repair-lossy"), quick=quick, verify_layers=values.flag("verify-layers"),
        max_age=_seconds(values.text("max")), cancel=context.cancel)
    format = values.text("format")
    if wants_json(format):
        out.write(json_text(_document(report)))
    elif format:
        out.write(render(format, [_row(finding) for finding in report.findings], {}))
    else:
        out.write(_text(report, repair=repair))
    return LEFT if report.remaining else 0


def _seconds(text: str) -> float:
    from ...times import parse_time

    return max(0.0, -parse_time(text, now=0.0))


def _row(finding: Finding) -> dict[str, object]:
    return {"Kind": finding.kind, "Subject": finding.subject, "Detail": finding.detail, "Repair": finding.repair}


def _document(report: CheckReport) -> dict[str, object]:
    return {"Findings": [_row(finding) for finding in report.findings],
            "Repaired": [{**_row(one.finding), "Done": one.done, "Failed": one.failed} for one in report.repaired],
            "Remaining": [_row(finding) for finding in report.remaining], "VerifiedLayers": report.verified,
            "Unchecked": list(report.unchecked)}


def _text(report: CheckReport, *, repair: bool) -> str:
    lines: list[str] = []
    for finding in report.findings:
        todo = f"; repair: {finding.repair}" if finding.repair and not repair else ""
        lines.append(f"{finding.kind}: {finding.subject}: {finding.detail}{todo}")
    for one in report.repaired:
        lines.append(f"{'failed' if one.failed else 'repaired'}: {one.finding.kind}: {one.finding.subject}: "
                     f"{one.failed or one.done}")
    lines += [f"not checked: {what}" for what in report.unchecked]
    if repair and report.findings:
        lines += [f"remains: {finding.kind}: {finding.subject}: {finding.detail}" for finding in report.remaining]
    count = len(report.remaining)
    lines.append("nothing wrong" if not report.findings else "all repaired" if not count else
                 f"{count} finding{'s' if count > 1 else ''}{' left' if repair else ''}")
    return "".join(f"{line}\n" for line in lines)


VERB = Verb(
    "check", "Look whether the store is sound, and repair it", _run,
    options=(
        Option("--force", "With --repair: remove images that cannot be had again, with their containers", FLAG, short="-f"),
        Option("--format", "json, or a template such as '{{.Kind}} {{.Subject}}'", metavar="FORMAT"),
        Option("--max", "Partial downloads and unneeded layers count only when older than this", short="-m", metavar="DURATION",
               default="24h"),
        Option("--quick", "Judge blobs by their size alone", FLAG, short="-q"),
        Option("--repair", "Fetch and unpack again what is missing or altered, remove what is nobody's", FLAG, short="-r"),
        Option("--repair-lossy", "The same as --repair --force", FLAG, short="-R"),
        Option("--verify-layers", "Unpack every layer once more and compare it with the one that is there", FLAG),
    ),
    notes=("Without --repair nothing is changed (--verify-layers makes snapshots and removes them again).",
           "Exits with 0 where nothing is wrong or all was repaired, and with 1 where findings remain."))
