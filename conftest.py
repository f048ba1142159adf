"""Rules of every test run here, in the root and in each distribution.

With ``--installed`` what is tested is what is installed; in CI a skip fails.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Generator

import pytest

NOT_OFFERED = "not offered: "
"""How a contract kit says that a plugin does not claim to do a thing: no fact of the host, see its module outcomes."""

SKIPS = pytest.StashKey[list[str]]()


def _reason(longrepr: object) -> str:
    return str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)


def _interrupted(number: int, frame: object) -> None:
    """As Ctrl-C, once: timeout(1) sends it twice, and the second is not to cut short what cleans up."""
    for other in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, _ignored)  # and not SIG_IGN, which commands that are started would inherit
    raise KeyboardInterrupt


def _ignored(number: int, frame: object) -> None:
    return


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--installed", action="store_true", help="insist on the conman that this environment holds")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPS] = []
    # No test makes a bridge on the host itself: those of networks make a network namespace, and say so.
    os.environ["CONMAN_CONTAINERS_NETWORK"] = "none"
    # Begun in the background (nohup, a job of CI), these are ignored, here and in every command that a test starts.
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    # timeout(1), or a terminal that goes away: fixtures are to remove what they made, containers that run for ever among it.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupted)
    if not config.getoption("--installed"):
        return
    import conman_kernel

    where = Path(str(conman_kernel.__file__))
    if not where.is_relative_to(sys.prefix):
        raise pytest.UsageError(f"--installed: conman_kernel comes from {where}, not from {sys.prefix}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Long versions are left out, not skipped, unless they are asked for."""
    if "stress" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("stress")]
    items[:] = [item for item in items if item not in long]
    config.hook.pytest_deselected(items=long)


def pytest_report_header() -> str:
    import conman_kernel

    return f"conman_kernel: {Path(str(conman_kernel.__file__)).parent}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and NOT_OFFERED not in _reason(report.longrepr):
        item.config.stash[SKIPS].append(f"{item.nodeid}: {_reason(report.longrepr)}")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:
        collector.config.stash[SKIPS].append(f"{report.nodeid}: {_reason(report.longrepr)}")
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    skipped = session.config.stash[SKIPS]
    if os.environ.get("CI") == "true" and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if os.environ.get("CI") == "true" and config.stash[SKIPS]:
        terminalreporter.section("skipped, which is a failure in CI", red=True)
        for line in config.stash[SKIPS]:
            terminalreporter.line(line)
