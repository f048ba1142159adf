"""Runs every check, each with a deadline: one that raises or blocks is a finding, and keeps no other from its work."""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Callable, Iterable

from ..cancel import Cancel
from ..errors import Cancelled, ConmanError, DeadlineExceeded
from ..plugins import Plugins
from ..slots.doctor import CheckRequest, Finding, Host
from ..store.looking import LookingIndex
from . import host as host_checks
from .report import DoctorReport, Examined

if TYPE_CHECKING:
    from ..config import Config
    from ..errors import ConfigError
    from ..slots.doctor import Check
    from ..slots.provider import Log
    from ..store.layout import Layout
    from .parts import Offered, Wanted

KERNEL = "conman"
SECONDS = 10.0
"""How long one check may take."""

_GRACE = 1.0
_ORDER = {"error": 0, "warning": 1, "note": 2}


class Subject:
    """What is examined: the means of a ``Conman``, in a form that changes nothing.

    :ivar config: as it is in force. ``plugins`` and ``index`` write nothing.
    """

    def __init__(self, config: Config, layout: Layout, log: Log, host: Host) -> None:
        self.config = config
        self.layout = layout
        self.log = log
        self.host = host
        self.plugins = Plugins(config, layout, log, looking=True)
        self.index = LookingIndex(layout)


class Examination:
    """One examination. Used once.

    :param seconds: the deadline of each check. ``cancel`` ends the whole.
    """

    def __init__(self, *, seconds: float, cancel: Cancel) -> None:
        self._seconds = seconds
        self._cancel = cancel
        self._found: list[Examined] = []
        self._checks = 0

    def run(self, source: str, name: str, look: Callable[[Cancel], Iterable[Finding]]) -> None:
        """Run one check in a thread of its own, which is left behind where it does not end."""
        self._cancel.check()
        self._checks += 1
        answer: list[Finding] = []
        cancel = Cancel(self._seconds)
        done = os.eventfd(0, os.EFD_CLOEXEC)

        def work() -> None:
            answer.extend(_answers(look, cancel))
            os.eventfd_write(done, 1)

        thread = threading.Thread(target=work, name=f"doctor: {name}", daemon=True)
        thread.start()
        try:
            ended = self._cancel.wait_readable(done, timeout=self._seconds + _GRACE)
        except BaseException:
            cancel.cancel()
            raise
        if ended:
            os.close(done)
        else:  # the descriptor stays its thread's
            cancel.cancel()
            whose = "conman" if source == KERNEL else f"the plugin {source}"
            answer = [Finding("error", source if source != KERNEL else name, f"its check {name!r} did not end within "
                              f"{self._seconds:g} seconds: something that it looks at blocks, and so will commands that need it",
                              f"look at what {whose} waits for (a file server, a device, a program)")]
        self._found += [Examined(source, name, finding) for finding in answer]

    def report(self) -> DoctorReport:
        """What was found, the worst first."""
        return DoctorReport(tuple(sorted(self._found, key=lambda one: _ORDER[one.finding.severity])), self._checks)


def _answers(look: Callable[[Cancel], Iterable[Finding]], cancel: Cancel) -> list[Finding]:
    """What a check yields up to where it ends or fails; a failure comes as the last finding."""
    found: list[Finding] = []
    try:
        answer: Iterable[object] = look(cancel)
        for finding in answer:
            if not isinstance(finding, Finding) or finding.severity not in _ORDER:
                raise TypeError(f"a check must yield findings, not {type(finding).__name__}")
            found.append(finding)
    except (Cancelled, DeadlineExceeded):
        found.append(Finding("error", "deadline", "what it asked did not answer in time", "look at what it waits for"))
    except ConmanError as error:
        found.append(Finding("error", getattr(error, "plugin", "") or "check", error.message, error.hint))
    except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever it is, the person is told; others go on)
        said = " ".join(f"{type(error).__name__}: {error}".split())
        found.append(Finding("error", "check", f"it failed: {said}", "this is a defect of the check; report it"))
    return found


def examine(config: Config, layout: Layout, log: Log, *, host: Host | None = None, seconds: float = SECONDS,
            cancel: Cancel) -> DoctorReport:
    """Look at everything: the host, the store, what is selected or recorded.

    :param host: another host's facts; None: this one's.
    :param seconds: how long one check may take.
    :raises Cancelled, DeadlineExceeded: by ``cancel``.
    """
    from . import parts, store

    subject = Subject(config, layout, log, host if host is not None else Host())
    work = Examination(seconds=seconds, cancel=cancel)
    _host(work, subject.host)
    for name, look in store.CHECKS:
        work.run(KERNEL, name, partial(look, subject))
    for name, check in parts.CHECKS:
        work.run(KERNEL, name, partial(check, subject))
    for plugin in parts.wanted(subject):
        _plugin(work, subject, plugin)
    subject.plugins.close()
    return work.report()


def examine_host(error: ConfigError, *, host: Host | None = None, cancel: Cancel) -> DoctorReport:
    """What can be told where the configuration cannot be read: that, and the host."""
    work = Examination(seconds=SECONDS, cancel=cancel)
    wrong = Finding("error", "configuration", f"{error.message}; store and plugins were not looked at", error.hint)
    work.run(KERNEL, "configuration", lambda cancel: [wrong])
    _host(work, host if host is not None else Host())
    return work.report()


def _host(work: Examination, host: Host) -> None:
    for name, look in host_checks.CHECKS:
        work.run(KERNEL, name, partial(_of_host, look, host))


def _of_host(look: Callable[[Host], Iterable[Finding]], host: Host, cancel: Cancel) -> Iterable[Finding]:
    return look(host)


def _plugin(work: Examination, subject: Subject, plugin: Wanted) -> None:
    """Does it load and work here; then what it contributes, check by check."""
    from . import parts

    loaded: list[parts.Offered] = []

    def load(cancel: Cancel) -> Iterable[Finding]:
        found, offered = parts.load(subject, plugin)
        loaded.append(offered)
        return found

    work.run(plugin.source, "works here", load)
    for offered in loaded:
        for one in offered.checks:
            work.run(plugin.source, one.name, partial(_contributed, subject, offered, one))


def _contributed(subject: Subject, offered: Offered, check: Check, cancel: Cancel) -> Iterable[Finding]:
    return check.run(offered.context, CheckRequest(subject.host, subject.layout.root, subject.layout.run_root, cancel))
