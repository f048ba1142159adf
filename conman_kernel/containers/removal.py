"""Removing a container: what must not run first, then everything it has."""

from __future__ import annotations

from ..cancel import Cancel
from ..errors import InvalidState, NotFound, PluginNotInstalled
from . import cleanup, stop
from .context import Context
from .rows import ContainerRow, by_id
from .state import INITIALIZED, is_running

EXIT_IN_USE = 2
"""podman's exit code for removing what is still in use."""


def remove(context: Context, row: ContainerRow, *, force: bool, timeout: int | None, volumes: bool,
           cancel: Cancel) -> None:
    """Remove a container with its file system and log; one that is gone already is no error.

    :param force: stop it first, with ``timeout`` seconds until SIGKILL.
    :param volumes: its anonymous volumes go, too, unless another container has them.
    :raises InvalidState: it runs, and ``force`` is not given.
    """
    if force or row.state == INITIALIZED:
        try:
            stop.stop(context, row, timeout=timeout, cancel=cancel, paused_too=True)
        except PluginNotInstalled:  # nobody can pass its stop signal on; a NotFound, too
            stop.stop(context, row, timeout=0, cancel=cancel, paused_too=True)
        except NotFound:
            return  # somebody was faster
    with context.locks.acquire(row.num, cancel):
        with context.index.read() as connection:
            now = by_id(connection, row.id)
        if now is None:
            return  # --rm was faster
        if is_running(context, now) or now.state == "restarting":
            error = InvalidState(f"cannot remove container {now.id} as it is {now.state} - running or paused containers "
                                 "cannot be removed without force: container state improper",
                                 hint=f"conman stop {now.name}, or conman rm --force {now.name}")
            error.exit_code = EXIT_IN_USE
            raise error
        if now.state not in ("created", "exited") or force:
            cleanup.stop_leftovers(context, now, cancel)
        if now.state not in ("created", "exited"):
            # It has ended just now: those who wait for it are to hear how.
            now = cleanup.finish(context, now, cancel, again=False)
            if now.state == "removing":
                return
        cleanup.remove(context, now, cancel, volumes=volumes)
