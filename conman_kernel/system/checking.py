"""A check, and a repair where one is asked for: as :meth:`.service.System.check` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..cancel import Cancel
from .check import Check, Options
from .facts import read_rows
from .findings import CheckReport, Finding, Repaired

if TYPE_CHECKING:
    from ..kernel import Conman

ROUNDS = 4
"""One repair may bring others to light (a folder that cannot be read, then the layer that was in it): so often at most."""


def check(conman: Conman, *, repair: bool, force: bool, quick: bool, verify_layers: bool, max_age: float,
          cancel: Cancel) -> CheckReport:
    """Find, repair, and find again until nothing is left or nothing helps."""
    look = Check(conman, Options(quick, verify_layers, max_age), cancel)
    findings = list(look.findings())
    verified, unchecked = 0, [] if not quick else ["the bytes of blobs: they were judged by their size"]
    if not verify_layers:
        unchecked.append("the files of layers: --verify-layers compares them with their blobs")
    deep: list[Finding] = []
    if verify_layers:
        deep, verified, skipped = _verify(conman, findings, cancel)
        unchecked += skipped
    everything = (*findings, *deep)
    if not repair or not everything:
        return CheckReport(everything, (), everything, verified, tuple(unchecked))
    done, left = _repair(conman, look, everything, force=force, cancel=cancel)
    if deep:
        still, _, _ = _verify(conman, left, cancel)
        left += still
    return CheckReport(everything, tuple(done), tuple(left), verified, tuple(unchecked))


def _repair(conman: Conman, look: Check, findings: tuple[Finding, ...], *, force: bool,
            cancel: Cancel) -> tuple[list[Repaired], list[Finding]]:
    from .repair import Repair

    work = Repair(conman, force=force, cancel=cancel)
    told: list[Repaired] = []
    left = list(findings)
    for _ in range(ROUNDS):
        before = {(finding.kind, finding.subject) for finding in left}
        done = work.run(left)
        told += [one for one in done if not one.failed or (one.finding, one.failed) not in
                 {(earlier.finding, earlier.failed) for earlier in told}]
        left = list(look.findings())
        if not left or {(finding.kind, finding.subject) for finding in left} == before:
            break
    return told, left


def _verify(conman: Conman, broken: list[Finding], cancel: Cancel) -> tuple[list[Finding], int, list[str]]:
    from .verify import verify

    parts = conman.images.parts
    with parts.database.read() as db:
        rows = read_rows(db)
    return verify(parts, rows, [finding.subject for finding in broken], cancel)
