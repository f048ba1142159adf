"""What plugins contribute to ``conman doctor``, and every way in which a contribution goes wrong: told, and nobody else's problem."""

from __future__ import annotations

from pathlib import Path

from conman_kernel.cancel import Cancel
from conman_kernel.config import load
from conman_kernel.doctor.examine import examine
from conman_kernel.doctor.report import DoctorReport
from conman_kernel.log import StderrLog
from conman_kernel.store.layout import Layout

from .conftest import SOUND, Site

CHECKED = SOUND + """
from conman_kernel.slots.doctor import Finding, check
"""
HOOKED = CHECKED + """
@hookimpl
def conman_doctor():
    return (check("one", first, options=NoOptions), check("two", second, options=NoOptions))

def second(context, request):
    yield Finding("warning", "second", f"{context.name} looked", "do it")
"""


def looked(tmp_path: Path, name: str, *, seconds: float = 5.0) -> DoctorReport:
    root, run = str(tmp_path / "root"), str(tmp_path / "run")
    config = load(environ={"HOME": "/nonexistent"}, overrides={"root": root, "run_root": run, "attach.name": name})
    return examine(config, Layout(root, run), StderrLog("error"), seconds=seconds, cancel=Cancel())


def of(report: DoctorReport, plugin: str) -> list[tuple[str, str, str, str]]:
    return [(one.check, one.finding.severity, one.finding.subject, one.finding.meaning) for one in report.findings
            if one.source == f"{plugin} (conman-{plugin} 1.2)"]


SECOND = ("two", "warning", "second", "my-attach looked")


def test_hook_conman_doctor(site: Site, tmp_path: Path) -> None:
    site.ship("my-attach", HOOKED + "\ndef first(context, request):\n    return [Finding('error', 'x', request.root)]\n")
    report = looked(tmp_path, "my-attach")
    assert of(report, "my-attach") == [("one", "error", "x", str(tmp_path / "root")), SECOND]
    assert not report.healthy


def test_one_that_raises_starves_no_other(site: Site, tmp_path: Path) -> None:
    site.ship("my-attach", HOOKED + "\ndef first(context, request):\n    yield Finding('note', 'a', 'b')\n    raise ValueError('over\\nwhelmed')\n")
    found = of(looked(tmp_path, "my-attach"), "my-attach")
    assert found[0] == ("one", "error", "check", "it failed: ValueError: over whelmed")
    assert SECOND in found and ("one", "note", "a", "b") in found


def test_one_that_blocks_is_told_and_left_behind(site: Site, tmp_path: Path) -> None:
    site.ship("my-attach", HOOKED + "\nimport threading\n\ndef first(context, request):\n    threading.Event().wait()\n")
    found = of(looked(tmp_path, "my-attach", seconds=0.2), "my-attach")
    assert found[0][:2] == ("one", "error") and "did not end within 0.2 seconds" in found[0][3] and "my-attach" in found[0][2]
    assert SECOND in found


def test_one_that_keeps_its_deadline_says_so(site: Site, tmp_path: Path) -> None:
    site.ship("my-attach", HOOKED + "\ndef first(context, request):\n    request.cancel.wait_readable()\n    return ()\n")
    found = of(looked(tmp_path, "my-attach", seconds=0.2), "my-attach")
    assert found[0] == ("one", "error", "deadline", "what it asked did not answer in time") and SECOND in found


def test_what_is_no_finding(site: Site, tmp_path: Path) -> None:
    for number, answer in enumerate(("['words']", "3", "[Finding('fatal', 'a', 'b')]")):
        name = f"my-attach{number}"
        site.ship(name, HOOKED + f"\ndef first(context, request):\n    return {answer}\n")
        found = of(looked(tmp_path, name), name)
        assert found[0][:3] == ("one", "error", "check") and "it failed" in found[0][3], found
        assert found[1][0] == "two"


def test_hooks_that_do_not_fit(site: Site, tmp_path: Path) -> None:
    cases = {"raising": ("@hookimpl\ndef conman_doctor():\n    raise KeyError('k')\n", "failed in conman_doctor"),
             "wrong": ("@hookimpl\ndef conman_doctor():\n    return ['x']\n", "must return checks"),
             "none": ("@hookimpl\ndef conman_doctor():\n    return None\n", "failed in conman_doctor"),
             "unmarked": ("def conman_doctor():\n    return ()\n", "not marked with hookimpl")}
    for name, (source, words) in cases.items():
        site.ship(name, CHECKED + source)
        (found,) = of(looked(tmp_path, name), name)
        assert found[:3] == ("works here", "error", name) and words in found[3] and f"conman-{name} 1.2" in found[3]


def test_one_that_cannot_be_imported_or_is_not_there(site: Site, tmp_path: Path) -> None:
    site.ship("broken", "raise RuntimeError('no')\n")
    (found,) = of(looked(tmp_path, "broken"), "broken")
    assert "cannot be imported" in found[3] and "the configuration selects it" in found[3]
    report = looked(tmp_path, "absent")
    (meaning,) = [one.finding.meaning for one in report.findings if one.source == "absent"]
    assert meaning.startswith("no plugin absent")


def test_one_that_blocks_while_it_is_imported(site: Site, tmp_path: Path) -> None:
    site.ship("stuck", "import threading\nthreading.Event().wait()\n")
    (found,) = of(looked(tmp_path, "stuck", seconds=0.2), "stuck")
    assert "did not end" in found[3]
