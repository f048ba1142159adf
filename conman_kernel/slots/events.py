"""The group ``conman.events``: who is told what happens to containers, images and networks.

Several sinks may be selected (``[events] sinks``). The kernel tells each of them in that order, after the change: what an
event says is so by then. A sink that fails is reported, once per command, and holds up neither the command nor the other sinks;
its events are lost. A command that is killed between a change and its event tells nothing.

A sink that keeps what it was told may be an :class:`EventSource` besides; ``conman events`` reads the first that is one.
"""

from __future__ import annotations

from typing import Iterator, Protocol

from ..cancel import Cancel
from ..record import Record

API = 1
"""The version of this group. A plugin says in its provider which one it was written for."""


class Event(Record):
    """One thing that happened.

    :param time_ns: when, in nanoseconds since the epoch, as the process that did it had it.
    :param type: ``container``, ``image``, ``network``, ``volume`` or ``system``.
    :param status: podman's word for what happened. Of containers ``create init start restart attach exec exec_died died kill stop
        pause unpause rename update commit export mount unmount health_status cleanup remove prune``; of images ``pull push tag
        untag remove save loadfromarchive import mount unmount prune``; of networks ``create connect disconnect remove``; of
        volumes ``create remove prune``.
    :param id: the whole id of the container, image or network; empty where it is about several (``prune``), and of a volume.
    :param name: the container's, network's or volume's name; the image's name, reference or archive that the call was about,
        which may be empty.
    :param image: of a container: the name of its image.
    :param attributes: names and values: a container's labels, ``execID`` of an exec session, and the new ``health_status``;
        ``reclaimed``, in bytes, of ``prune``.
    :param exit_code: of ``died`` and ``exec_died``; -1 where nobody saw the end, None in all others.
    """

    time_ns: int
    type: str
    status: str
    id: str = ""
    name: str = ""
    image: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    exit_code: int | None = None


class EmitRequest(Record):
    """One event for a sink. :param cancel: its deadline is when the kernel wants to go on."""

    event: Event
    cancel: Cancel


class EventSink(Protocol):
    """Is told of events. Methods may be called from several threads at once, and from several processes on one store."""

    def emit(self, request: EmitRequest) -> None:
        """Take one event. It should take microseconds: the command waits for it.

        Any error is reported with the plugin's name, and ends nothing else.
        """
        ...

    def close(self) -> None:
        """Give everything back. May be called twice, and without an event before it."""
        ...


class ReadRequest(Record):
    """Which events are wanted.

    :param since_ns: nothing before, in nanoseconds since the epoch; None: from the oldest that is kept, or, where ``follow``
        is set, from now on.
    :param until_ns: nothing after; following ends when that time has come. None: no end.
    :param follow: go on with what comes; otherwise end after what is there.
    :param cancel: ends following.
    """

    since_ns: int | None
    until_ns: int | None
    follow: bool
    cancel: Cancel


class EventSource(Protocol):
    """What a sink may offer besides: the events that it was told, by any process on the store."""

    def read(self, request: ReadRequest) -> Iterator[Event]:
        """The wanted events in the order in which they were told, each once.

        What "from now on" means is fixed when this returns, not when the first event is asked for. Waits with a descriptor, and
        never polls.

        :raises Cancelled, DeadlineExceeded: by ``cancel``, while it waits.
        :raises Unavailable: what was kept cannot be read.
        """
        ...
