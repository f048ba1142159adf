"""``conman system boot``."""

from __future__ import annotations

from .. import out
from ..context import Context
from ..declare import FLAG, Option, Verb
from ..values import Values

FAILED = 125
"""The exit code where one did not start."""

_UNIT = """\
[Unit]
Description=Start the conman containers that their restart policy wants to run
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=true
ExecStart={command} system boot
# The shims leave this unit's cgroup by themselves; one that could not is not to be ended with the unit.
KillMode=process
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
"""


def _run(context: Context, values: Values) -> int:
    if values.flag("unit"):
        out.write(_unit(context))
        return 0
    report = context.conman().system.boot(cancel=context.cancel)
    for container in report.started:
        out.line(container.id)
    for failure in report.failed:
        failure.error.message = f"container {failure.container.name} was not started: {failure.error.message}"
        out.report(failure.error)
    return FAILED if report.failed else 0


def _unit(context: Context) -> str:
    """For this store: what the command line or the environment said of it is said in the unit."""
    import shutil
    import sys

    config = context.conman().config
    program = sys.argv[0] if "/" in sys.argv[0] else shutil.which(sys.argv[0]) or sys.argv[0]
    words = [program, *(("--config", config.explicit_file) if config.explicit_file else ())]
    for key, option in (("root", "--root"), ("run_root", "--run-root")):
        if config.entry(key).origin.startswith(("command line", "environment")):
            words += [option, config.text(key)]
    return _UNIT.format(command=" ".join(_quoted(word) for word in words))


def _quoted(word: str) -> str:
    """As systemd.service(5) reads it: no specifier, no variable, one word."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"' if any(c in plain for c in " \t'\"\\;") else plain


VERB = Verb(
    "boot", "Start the containers that their restart policy wants to run, after a reboot", _run,
    options=(Option("--unit", "Start nothing: print a systemd unit that calls this command at boot", FLAG),))
