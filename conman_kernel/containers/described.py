"""What a container's record says, as callers see it: true when it was read, and never more running than it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Mapping

from ..oci.runtime.options import ContainerOptions
from .context import Context
from .rows import ContainerRow
from .state import HELD, outward

if TYPE_CHECKING:
    from .health import Health


class Described:
    """The properties of a container. Those of the record are as of when it was read; ``state`` and ``pid`` are true now, and
    once that is ``exited``, so is how the run ended."""

    __slots__ = ("_context", "_options", "_over", "_row")

    def __init__(self, context: Context, row: ContainerRow) -> None:
        self._context = context
        self._row = row
        self._options: ContainerOptions | None = None
        self._over: tuple[ContainerRow, ContainerRow] | None = None

    def __repr__(self) -> str:
        return f"Container({self.id[:12]!r}, name={self.name!r}, state={self._row.state!r})"

    @property
    def row(self) -> ContainerRow:
        """The record in the index, as it was read."""
        return self._row

    def _now(self) -> ContainerRow:
        """The record with what is true now; once a run has ended that stays as it was found, whatever is removed meanwhile."""
        row = self._row
        if self._over is not None and self._over[0] is row:
            return self._over[1]
        now = outward(self._context, row)
        if now.state not in HELD:
            self._over = row, now
        return now

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
        return self._now().finished

    @property
    def state(self) -> str:
        """``created initialized running paused restarting exited removing``: what is true now of the record that was read."""
        return self._now().state

    @property
    def pid(self) -> int:
        """The main process, as this host sees it; 0 where none runs."""
        now = self._now()
        return now.pid if now.state in HELD else 0

    @property
    def exit_code(self) -> int:
        """Of the last run, as a shell has it; -1 where it is not known."""
        return self._now().exit_code

    @property
    def error(self) -> str:
        """Why the last start failed, or why it is not known how the last run ended; else empty."""
        return self._now().error

    @property
    def restarts(self) -> int:
        """How often its restart policy has started it, since a person did."""
        return self._row.restarts

    @property
    def health(self) -> Health | None:
        """What its health check has found by now, or had when it ended; None: it has none."""
        if self.options.health is None:
            return None
        from .health import read

        return read(self._context, self._row)

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
        """The whole command line, entrypoint included; empty where there is nothing to run."""
        from ..oci.runtime.process import command_line

        return tuple(command_line(self.options, self._row.image_parts()))
