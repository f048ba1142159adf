"""The attach plugin ``record-attach``: the session of ``pty-attach``, recorded as an asciicast v2 file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conman_kernel import hookimpl
from conman_kernel.record import Record
from conman_kernel.slots.attach import Attach
from conman_kernel.slots.provider import Provider, provider

if TYPE_CHECKING:
    from conman_kernel.slots.provider import PluginContext


class _Keys(Record):
    folder: str = ""
    input: bool = False
    idle_limit: float = 0.0


class Options(_Keys):
    """The table ``[plugin.record-attach]``."""

    __slots__ = ()
    DOCS = {
        "folder": "where recordings go: an absolute path, ~ is understood; empty: below the plugin's own state folder",
        "input": "record what is typed, too: also passwords, which no output shows",
        "idle_limit": "seconds that a player is told to shorten longer pauses to; 0: none",
    }


def _open(context: PluginContext[Options]) -> Attach:
    from .attach import RecordAttach

    return RecordAttach(context.options, context.state_dir, context.log)


@hookimpl
def conman_attach() -> Provider[Attach]:
    """See :mod:`conman_kernel.hookspecs`."""
    return provider(api=1, summary="joins the calling terminal or pipes to a container, and records it", options=Options,
                    open=_open)
