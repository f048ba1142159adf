"""What an examination found."""

from __future__ import annotations

from ..record import Record
from ..slots.doctor import Finding


class Examined(Record):
    """One finding, and who found it.

    :param source: ``conman``, or ``PLUGIN (DISTRIBUTION VERSION)``.
    :param check: the check's name.
    """

    source: str
    check: str
    finding: Finding


class DoctorReport(Record):
    """The result of ``conman doctor``.

    :param findings: errors first, then warnings, then notes, each in the order of the checks.
    :param checks: how many checks were run.
    """

    findings: tuple[Examined, ...]
    checks: int

    @property
    def healthy(self) -> bool:
        """True where nothing that is selected or needed fails: warnings and notes do not count."""
        return all(found.finding.severity != "error" for found in self.findings)
