"""Health checks: what a container is checked with, and what its shim, which checks it, has found (PROTOCOL.md, "Health")."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Mapping

from ..errors import InvalidInput, InvalidState, NotFound, Unavailable
from ..oci.documents import get_int, get_strings
from ..oci.runtime.options import UNSET, ContainerOptions, HealthCheck
from ..record import Record
from . import cgroups
from .state import is_running

if TYPE_CHECKING:
    from ..cancel import Cancel
    from ..oci.image_config import ImageConfig
    from .bundle import Bundle
    from .context import Context
    from .rows import ContainerRow
    from .runtime_client import RuntimeClient

ACTIONS = ("none", "kill", "restart", "stop")
STATUSES = ("starting", "healthy", "unhealthy")
_INTERVAL, _TIMEOUT, _RETRIES = 30.0, 30.0, 3
_SHORTEST = 0.001
_NANO = 1e9


class HealthResult(Record):
    """One check.

    :param start: seconds since the epoch, as ``end`` is.
    :param exit_code: 0: healthy; -1: it took too long, or could not be run.
    :param output: the first 500 bytes of what it wrote, on both streams.
    """

    start: float
    end: float
    exit_code: int
    output: str


class Health(Record):
    """What is known of a container's health.

    :param status: ``starting``, ``healthy`` or ``unhealthy``.
    :param failing_streak: how many checks in a row have failed.
    :param log: the last five checks, the oldest first.
    """

    status: str
    failing_streak: int
    log: tuple[HealthResult, ...]


def resolve(given: HealthCheck | None, image: ImageConfig, what: str) -> HealthCheck | None:
    """What a container is checked with: the caller's wishes over the image's (Docker's rule, field by field).

    :param what: names the image in messages.
    :returns: with nothing left open; None: there is no check.
    :raises InvalidInput: a wish, or the image's own, cannot be.
    """
    wish = given or HealthCheck()
    if wish.on_failure not in ACTIONS:
        raise InvalidInput(f'invalid on-failure action "{wish.on_failure}" for health check: supported actions are none, kill, '
                           "restart, stop")
    own: Mapping[str, object] = image.healthcheck or {}
    what = f"the health check of {what}"
    test = wish.test or get_strings(own, "Test", what)
    if not test or test[0] == "NONE":
        if wish.on_failure != "none":
            raise InvalidInput(f"cannot set on-failure action to {wish.on_failure} without a health check")
        return None
    if test[0] not in ("CMD", "CMD-SHELL") or len(test) < 2 or any("\0" in word for word in test):
        raise InvalidInput(f"{what}: {list(test)!r} is no check", hint='["CMD", WORD, ...] or ["CMD-SHELL", LINE]')
    resolved = HealthCheck(
        test=test, shell=tuple(image.shell) if test[0] == "CMD-SHELL" else (), on_failure=wish.on_failure,
        interval=wish.interval if wish.interval != UNSET else get_int(own, "Interval", what) / _NANO or _INTERVAL,
        timeout=wish.timeout if wish.timeout != UNSET else get_int(own, "Timeout", what) / _NANO or _TIMEOUT,
        retries=wish.retries if wish.retries != UNSET else get_int(own, "Retries", what) or _RETRIES,
        start_period=wish.start_period if wish.start_period != UNSET else get_int(own, "StartPeriod", what) / _NANO)
    _check(resolved)
    return resolved


def _check(health: HealthCheck) -> None:
    if health.interval and health.interval < _SHORTEST:
        raise InvalidInput("healthcheck-interval must be at least 1ms, or 0 for none")
    if health.timeout < _SHORTEST:
        raise InvalidInput("healthcheck-timeout must be at least 1ms")
    if health.retries < 1:
        raise InvalidInput("healthcheck-retries must be greater than 0")
    if health.start_period < 0:
        raise InvalidInput("healthcheck-start-period must be 0 seconds or greater")
    if max(health.interval, health.timeout, health.start_period) > 1e9:
        raise InvalidInput("a health check's times are below a billion seconds")


def argv(health: HealthCheck) -> tuple[str, ...]:
    """The command line of a check."""
    if health.test[0] == "CMD":
        return health.test[1:]
    return (*(health.shell or ("/bin/sh", "-c")), " ".join(health.test[1:]))


def health_file(context: Context, id: str) -> str:
    """Where a container's shim writes what it finds."""
    return context.layout.container(id) + "/health"


def shim_records(context: Context, row: ContainerRow, options: ContainerOptions, client: RuntimeClient,
                 bundle: Bundle) -> tuple[tuple[str, str], ...]:
    """What the shim of a container that starts is told; the process document of its checks is written.

    :raises InvalidInput: the check cannot be run in it.
    """
    from .execs.launch import process_document
    from .execs.options import ExecOptions

    health = options.health
    assert health is not None
    with open(bundle.path + "/health.json", "w", encoding="utf-8") as stream:
        json.dump(process_document(context, row, ExecOptions(command=argv(health))), stream)
    command = client.argv(client.commands.exec, row.id, process=bundle.path + "/health.json", console_socket="",
                          pid_file=bundle.path + "/health.pid", log=bundle.path + "/health.log")
    records = [("health", word) for word in command]
    records += [("health_pid_file", bundle.path + "/health.pid"), ("health_file", health_file(context, row.id)),
                ("health_interval", _ms(health.interval)), ("health_timeout", _ms(health.timeout)),
                ("health_retries", str(health.retries)), ("health_start_period", _ms(health.start_period))]
    for mount, folder in zip(context.facts.cgroups, cgroups.container_dirs(context.facts, row.id)):
        if mount.unified or "freezer" in mount.controllers:
            records.append(("health_paused", f"{folder}/{'cgroup.events' if mount.unified else 'freezer.state'}"))
    if health.on_failure != "none" or context.config.texts("events.sinks"):
        records += [("health_changed", word) for word in context.cleanup_argv(row.id)]
    return tuple(records)


def _ms(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)) if seconds else 0)


def read(context: Context, row: ContainerRow) -> Health | None:
    """What the shim has found by now, or had when the container ended; None: it has no check."""
    if row.parsed_options().health is None:
        return None
    try:
        with open(health_file(context, row.id), "rb") as stream:
            lines = stream.read(65536).decode("ascii", "replace").splitlines()
    except FileNotFoundError:
        return Health("starting", 0, ())  # it was never started, or is only being
    values = [line.partition("=")[::2] for line in lines]
    found = dict(values)
    return Health(found.get("status", "starting"), int(found.get("streak", "0")),
                  tuple(_result(value) for key, value in values if key == "check"))


def _result(text: str) -> HealthResult:
    began, ended, code, output = (text + " ").split(" ")[:4]
    return HealthResult(int(began) / _NANO, int(ended) / _NANO, int(code), bytes.fromhex(output).decode("utf-8", "replace"))


def check_now(context: Context, row: ContainerRow, cancel: Cancel) -> bool:
    """Have the shim run the check now, or wait for the one that it is running. It counts as any other.

    :returns: whether it says healthy.
    :raises InvalidState: the container has no check, does not run, or is paused.
    :raises Unavailable: its shim knows no checks.
    """
    from .session import connect

    if row.parsed_options().health is None:
        raise InvalidState(f"has no defined healthcheck: container {row.name}", hint="make it with --health-cmd")
    if not is_running(context, row):
        raise InvalidState(f"container {row.id} is not running", hint=f"conman start {row.name}")
    try:
        session = connect(context.layout.container_run(row.id) + "/attach.sock", stdin=False, stdout=False, stderr=False,
                          foreground=False, cancel=cancel)
    except NotFound:
        raise InvalidState(f"container {row.id} is not running", hint=f"conman start {row.name}") from None
    with session:
        if not session.checks:
            raise Unavailable(f"the shim of container {row.name} runs no health checks")
        verdict, output = session.check(cancel)
    if verdict not in (0, 1):
        raise InvalidState(f"container {row.name} was not checked: {output.decode('utf-8', 'replace')}")
    return verdict == 0


def changed(context: Context, row: ContainerRow, status: str) -> None:
    """The shim says that the status is another now: it is told, and what was asked for in that case is done."""
    from . import stop
    from .telling import tell

    tell(context, row, "health_status", health=status)
    options = row.parsed_options()
    action = "none" if options.health is None or status != "unhealthy" else options.health.on_failure
    if action == "none" or not is_running(context, row):
        return
    from ..cancel import Cancel

    cancel = Cancel()
    if action == "kill":
        stop.kill(context, row, 9, cancel, final=False)  # its restart policy holds
    elif action == "stop":
        stop.stop(context, row, timeout=None, cancel=cancel)
    else:
        from .again import restart

        restart(context, row, timeout=None, cancel=cancel)
