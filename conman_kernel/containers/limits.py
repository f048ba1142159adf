"""Changing the limits of a container that is there: in the index, and at the runtime where it has a process.

The row has an owner while the runtime is at work. Killed in between, the next command gives the runtime the limits that the row
still has: it is as before.
"""

from __future__ import annotations

import os

from ..cancel import Cancel
from ..errors import ConmanError, InvalidState, RuntimeFailed, Unavailable
from ..oci.runtime.options import ContainerOptions
from ..oci.runtime.resources import check_resources, limits_in_force
from ..processes import start_time
from . import cgroups, rows
from .bundle import with_defaults
from .context import Context
from .rows import ContainerRow, options_json
from .runtime_client import RuntimeClient
from .state import is_held, refreshed
from .telling import tell


def update(context: Context, row: ContainerRow, changes: dict[str, object], cancel: Cancel) -> ContainerRow:
    """Change some of a container's options, now and for every start to come.

    :param changes: fields of :class:`ContainerOptions` and their new values; of limits 0 is none.
    :returns: the row as it is now.
    :raises InvalidInput, Unavailable: limits that contradict each other, or that this host or the runtime cannot give.
    :raises InvalidState: the memory limit is below what it uses, or it is being removed.
    :raises RuntimeFailed: the runtime refused. After any error the container is as before.
    """
    with context.locks.acquire(row.num, cancel):
        now = refreshed(context, row.id)
        if now.state in ("creating", "removing"):
            raise InvalidState(f"container {now.name} is {now.state}: container state improper")
        before = now.parsed_options()
        options: ContainerOptions = before._replace(**changes)  # type: ignore[arg-type]
        check_resources(options, context.facts)
        if options != before:
            if is_held(context, now) and _limits(context, options) != _limits(context, before):
                _enforce(context, now, options, before, cancel)
            with context.index.write() as connection:
                rows.update(connection, now.id, options=options_json(options), owner_pid=0, owner_start=0)
            now = now._replace(options=options_json(options), owner_pid=0, owner_start=0)
    tell(context, now, "update")
    return now


def restore(context: Context, row: ContainerRow, cancel: Cancel) -> None:
    """Give the runtime the limits that the row has, after somebody was killed while he changed them, or before he did anything.
    The caller holds the container's lock."""
    client = context.client_of(row)
    if client.commands.update:
        _give(context, client, row, row.parsed_options(), cancel)
    with context.index.write() as connection:
        rows.update(connection, row.id, owner_pid=0, owner_start=0)


def _enforce(context: Context, row: ContainerRow, options: ContainerOptions, before: ContainerOptions, cancel: Cancel) -> None:
    client = context.client_of(row)
    if not client.commands.update:
        raise Unavailable(f"the runtime {row.runtime} cannot change the limits of a container that runs",
                          hint=f"conman stop {row.name}, then update it and start it again")
    used = cgroups.memory_in_use(context.facts, row.id)
    if 0 < options.memory < used:
        raise InvalidState(f"the memory limit of {options.memory} bytes is below what container {row.name} uses: {used} bytes")
    with context.index.write() as connection:
        rows.update(connection, row.id, owner_pid=os.getpid(), owner_start=start_time(os.getpid()))
    try:
        client.update(row.id, _limits(context, options), cancel, log=_log(context, row))
    except BaseException as error:
        # Some of it may have been done; the caller's token does not cut this short.
        _give(context, client, row, before, Cancel())
        with context.index.write() as connection:
            rows.update(connection, row.id, owner_pid=0, owner_start=0)
        if isinstance(error, RuntimeFailed):
            raise RuntimeFailed(f"cannot update container {row.name}: {error.message}", hint="nothing was changed") from None
        raise


def _give(context: Context, client: RuntimeClient, row: ContainerRow, options: ContainerOptions, cancel: Cancel) -> None:
    """Back to limits that it had; one that cannot be had any more (it uses more by now) is reported to the log."""
    try:
        client.update(row.id, _limits(context, options), cancel, log=_log(context, row))
    except ConmanError as error:
        context.log.warning("container %s: its limits may not be what its record says: %s", row.id[:12], error)


def _log(context: Context, row: ContainerRow) -> str:
    return context.layout.container_run(row.id) + "/update.log"


def _limits(context: Context, options: ContainerOptions) -> dict[str, object]:
    facts = context.facts
    return limits_in_force(with_defaults(context, options), facts, all_cpus=cgroups.whole_cpuset(facts, "cpus"),
                           all_mems=cgroups.whole_cpuset(facts, "mems"))
