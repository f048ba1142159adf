"""One container, as callers hold it: its record when it was read, and everything that can be done with it."""

from __future__ import annotations

from typing import Iterator, Mapping

from ..cancel import Cancel
from ..errors import InvalidState, NotFound
from ..oci.runtime.options import ContainerOptions
from ..oci.runtime.process import process_args
from . import attached, execs, logs, rootfs, stop
from .attached import RunOutcome, Streams
from .cleanup import finish, remove, stop_leftovers
from .context import Context
from .execs import ExecOptions
from .inspect import inspect_document
from .logs import LogEntry
from .paths import log_file
from .rows import ContainerRow, by_id
from .start import refreshed, release, start

EXIT_IN_USE = 2
"""podman's exit code for removing what is still in use."""


class Container:
    """One container. Properties are as of when it was read; :meth:`refresh` reads again. Methods may be called from
    any thread, and whatever else is going on with the container: they take its lock."""

    __slots__ = ("_context", "_options", "_row")

    def __init__(self, context: Context, row: ContainerRow) -> None:
        self._context = context
        self._row = row
        self._options: ContainerOptions | None = None

    def __repr__(self) -> str:
        return f"Container({self.id[:12]!r}, name={self.name!r}, state={self._row.state!r})"

    @property
    def row(self) -> ContainerRow:
        """The record in the index, as it was read."""
        return self._row

    @property
    def id(self) -> str:
        """64 hexadecimal digits."""
        return self._row.id

    @property
    def name(self) -> str:
        """Its name."""
        return self._row.name

    @property
    def image_id(self) -> str:
        """The image it was made from; that may be gone."""
        return self._row.image_id

    @property
    def image_name(self) -> str:
        """The name the image had then."""
        return self._row.image_name

    @property
    def created(self) -> float:
        """Seconds since the epoch."""
        return self._row.created

    @property
    def started(self) -> float:
        """When it was started last, seconds since the epoch; 0.0: never."""
        return self._row.started

    @property
    def finished(self) -> float:
        """When its last run ended, seconds since the epoch; 0.0: never."""
        return self._row.finished

    @property
    def state(self) -> str:
        """``created running paused exited removing``: what is true now of the record that was read."""
        return stop.outward_state(self._context, self._row)

    @property
    def pid(self) -> int:
        """The main process, as this host sees it; 0 where none runs."""
        return self._row.pid if self.state in stop.RUNNING else 0

    @property
    def exit_code(self) -> int:
        """Of the last run, as a shell has it; -1 where it is not known."""
        return self._row.exit_code

    @property
    def error(self) -> str:
        """Why the last start failed, or why it is not known how the last run ended; else empty."""
        return self._row.error

    @property
    def storage_driver(self) -> str:
        """The storage plugin that holds its file system, whatever the default is now."""
        return self._row.storage

    @property
    def runtime(self) -> str:
        """The runtime plugin that runs it, whatever the default is now."""
        return self._row.runtime

    @property
    def options(self) -> ContainerOptions:
        """What it was made with."""
        if self._options is None:
            self._options = self._row.parsed_options()
        return self._options

    @property
    def labels(self) -> Mapping[str, str]:
        """The image's labels and its own."""
        return dict(self.options.labels)

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command line, entrypoint included."""
        return tuple(process_args(self.options, self._row.image_parts()))

    def refresh(self) -> Container:
        """Read the record again.

        :returns: itself.
        :raises NotFound: it is gone.
        """
        self._row = refreshed(self._context, self.id)
        return self

    def start(self, *, cancel: Cancel | None = None) -> None:
        """Start it and return once its process runs; one that runs already is left as it is. Errors as
        :func:`conman_kernel.containers.start.start`."""
        started = start(self._context, self._row, cancel=cancel or Cancel())
        if started is not None:
            self._row = started.row
            release(started)

    def start_attached(self, streams: Streams, *, cancel: Cancel | None = None) -> RunOutcome:
        """Start it with the caller's descriptors joined, and stay until it ends; see :func:`.attached.run_attached`."""
        return attached.run_attached(self._context, self._row, streams, cancel or Cancel())

    def attach(self, streams: Streams, *, cancel: Cancel | None = None) -> RunOutcome:
        """Join the streams of its running process; see :func:`.attached.attach_to`."""
        return attached.attach_to(self._context, refreshed(self._context, self.id), streams, cancel or Cancel())

    def exec(self, options: ExecOptions, streams: Streams | None = None, *, cancel: Cancel | None = None) -> RunOutcome:
        """Run another process in it; see :func:`.execs.run_exec`."""
        return execs.run_exec(self._context, refreshed(self._context, self.id), options, streams, cancel or Cancel())

    def kill(self, signal: int = 9, *, cancel: Cancel | None = None) -> None:
        """Send a signal to its main process.

        :raises InvalidState: it does not run.
        """
        stop.kill(self._context, self._row, signal, cancel or Cancel())

    def stop(self, *, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """End it: its stop signal, ``timeout`` seconds, SIGKILL. Returns once it is cleaned up. Not running is no error."""
        stop.stop(self._context, self._row, timeout=timeout, cancel=cancel or Cancel())

    def wait(self, *, cancel: Cancel | None = None) -> int:
        """Wait until it is over.

        :returns: its exit code.
        :raises ShimLost: nobody saw how it ended.
        """
        return stop.wait(self._context, self._row, cancel or Cancel())

    def remove(self, *, force: bool = False, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """Remove it with its file system and log.

        :param force: stop it first, with ``timeout`` as in :meth:`stop`.
        :raises InvalidState: it runs, and ``force`` is not given.
        """
        watch = cancel or Cancel()
        if force:
            try:
                stop.stop(self._context, self._row, timeout=timeout, cancel=watch)
            except NotFound:
                return  # somebody was faster
        with self._context.locks.acquire(self._row.num, watch):
            with self._context.index.read() as connection:
                row = by_id(connection, self.id)
            if row is None:
                return  # --rm was faster
            if stop.is_running(self._context, row):
                error = InvalidState(f"cannot remove container {self.id} as it is {row.state} - running or paused containers "
                                     "cannot be removed without force: container state improper",
                                     hint=f"conman stop {self.name}, or conman rm --force {self.name}")
                error.exit_code = EXIT_IN_USE
                raise error
            if row.state not in ("created", "exited") or force:
                stop_leftovers(self._context, row, watch)
            if row.state not in ("created", "exited"):
                # It has ended just now: those who wait for it are to hear how.
                row = finish(self._context, row, watch)
                if row.state == "removing":
                    return
            remove(self._context, row, watch)

    def logs(self, *, follow: bool = False, tail: int | None = None, cancel: Cancel | None = None) -> Iterator[LogEntry]:
        """Its output so far, oldest first.

        :param follow: go on until it ends.
        :param tail: only the last so many lines.
        :raises InvalidState: it keeps no log.
        """
        if (self.options.log_driver or self._context.config.text("containers.log_driver")) == "none":
            raise InvalidState(f"container {self.name} keeps no log (--log-driver none)")
        path = log_file(self._context, self._row)
        return logs.read(path, cancel=cancel or Cancel(), tail=tail,
                         follow=(lambda: stop.end_descriptor(refreshed(self._context, self.id))) if follow else None)

    def mount(self, *, cancel: Cancel | None = None) -> str:
        """Show its root file system on the host until :meth:`unmount`; each call counts.

        :returns: the mount point.
        """
        watch = cancel or Cancel()
        with self._context.locks.acquire(self._row.num, watch):
            return rootfs.hold(self._context, refreshed(self._context, self.id), watch)

    def unmount(self, *, force: bool = False, cancel: Cancel | None = None) -> bool:
        """Give one :meth:`mount` back, all with ``force``.

        :returns: whether it was mounted so.
        """
        with self._context.locks.acquire(self._row.num, cancel or Cancel()):
            return rootfs.let_go(self._context, refreshed(self._context, self.id), force=force)

    @property
    def mount_point(self) -> str:
        """Where :meth:`mount` shows it; empty where it is not mounted for anybody outside."""
        return rootfs.path(self._context, self._row) if rootfs.is_held(self._context, self._row) else ""

    def inspect(self) -> dict[str, object]:
        """Everything about it, under podman's keys (``podman inspect``); JSON-ready."""
        return inspect_document(self._context, self._row, self.state)
