"""The events of one store: told to the selected sinks, read back from the first that keeps them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Iterator, Sequence, cast

from ..cancel import Cancel
from ..config import Config
from ..errors import ConmanError, PluginNotInstalled, Unavailable
from ..plugins import Plugins
from ..slots import EVENTS
from ..slots.events import EmitRequest, Event

if TYPE_CHECKING:
    from ..slots.events import EventSource
    from ..slots.provider import Log

SINK_SECONDS = 2.0
"""How long a sink may wait for what it needs (a lock), before the command goes on without it."""


class Events:
    """What happens to the containers and images of one store. Thread-safe."""

    def __init__(self, config: Config, plugins: Plugins, log: Log) -> None:
        self._config = config
        self._plugins = plugins
        self._log = log
        self._reported: set[str] = set()
        self._useless: set[str] = set()

    def emit(self, event: Event) -> None:
        """Tell every selected sink, in the order of the configuration. Never raises for what a sink does: the first failure of
        each is a warning that names plugin and distribution."""
        for name in self._config.texts("events.sinks"):
            if name in self._useless:
                continue
            try:
                try:
                    sink = self._plugins.get(EVENTS, name)
                except ConmanError:
                    self._useless.add(name)
                    raise
                sink.emit(EmitRequest(event, Cancel(SINK_SECONDS)))
            except ConmanError as error:
                self._report(name, error)

    def stream(self, *, filters: Sequence[tuple[str, str]] = (), since: float | str | None = None,
               until: float | str | None = None, follow: bool = True, cancel: Cancel | None = None) -> Iterator[Event]:
        """What happened, and goes on happening, by whatever process on the store.

        :param filters: podman's keys and values: ``container``, ``image`` (names, or beginnings of ids), ``event``, ``type``,
            ``label`` (``name`` or ``name=value``), ``label!``, ``network``, ``pod``, ``volume``. Values of one key are
            alternatives, all keys must hold.
        :param since: nothing before: seconds since the epoch, or a text: RFC 3339, seconds, a duration such as ``1h30m``. None:
            from this call on; without ``follow``, from the oldest that is kept.
        :param until: nothing after; following ends when that time has come. A duration counts from now on.
        :param follow: wait for what comes, until ``until`` or ``cancel``.
        :returns: an iterator; what happens from this call on is in it, however late it is asked for.
        :raises InvalidInput: an unknown filter, or no point in time.
        :raises Unavailable: no selected sink keeps what it is told.
        :raises Cancelled, DeadlineExceeded: by ``cancel``, from the iterator.
        """
        from ..slots.events import ReadRequest
        from ..times import nanoseconds
        from .filters import matcher

        fits = matcher(filters)
        request = ReadRequest(None if since is None else nanoseconds(since),
                              None if until is None else nanoseconds(until, ahead=True), follow, cancel or Cancel())
        reading = self._source().read(request)
        return (event for event in reading if fits(event))

    def _source(self) -> EventSource:
        sinks = self._config.texts("events.sinks")
        for name in sinks:
            plugin = self._plugins.get(EVENTS, name)
            if hasattr(plugin, "read"):
                return cast("EventSource", plugin)
        raise Unavailable("no event sink that can be read is selected" if sinks else "no event sink is selected",
                          hint='set events.sinks = ["events-jsonl"] in conman.toml')

    def _report(self, name: str, error: ConmanError) -> None:
        if name in self._reported:
            return
        self._reported.add(name)
        if isinstance(error, PluginNotInstalled) and self._config.entry("events.sinks").origin == "built in":
            self._log.debug("no events: %s", error)  # a kernel without the stock plugins is complete without it
            return
        self._log.warning("event sink %s: %s", name, error)


def event(type: str, status: str, id: str, name: str, image: str = "", attributes: tuple[tuple[str, str], ...] = (),
          exit_code: int | None = None) -> Event:
    """An event that happens now."""
    return Event(time.time_ns(), type, status, id, name, image, attributes, exit_code)
