"""Events as lines of JSON in files below the store, written by any process, followed by any other."""

from __future__ import annotations

from typing import ClassVar, Mapping

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.events import EventSink
from conman_kernel.slots.provider import PluginContext, Provider, provider


class _Keys(Record):
    max_size: int = 16 * 1024 * 1024
    files: int = 4


class Options(_Keys):
    """The table ``[plugin.events-jsonl]``."""

    __slots__ = ()
    DOCS: ClassVar[Mapping[str, str]] = {
        "max_size": "bytes of a file after which the next is begun",
        "files": "how many files are kept, with the current one; the oldest goes",
    }


def _open(context: PluginContext[Options]) -> EventSink:
    from .sink import JsonLines

    return JsonLines(context.state_dir, max_size=context.options.max_size, files=context.options.files, log=context.log)


@hookimpl
def conman_event_sink() -> Provider[EventSink]:
    """Lines of JSON, one file after the other."""
    return provider(api=1, summary="Keeps events as lines of JSON below the store; what conman events reads",
                    options=Options, open=_open)
