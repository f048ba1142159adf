"""The session as the kernel's building blocks have it, with a recording that listens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from conman_kernel.errors import InvalidInput
from conman_kernel.slots.attach import AttachRequest, End
from conman_kernel.support.joined import terminal
from conman_kernel.support.joined.loop import join

from .asciicast import Header
from .recording import Recording

if TYPE_CHECKING:
    from conman_kernel.slots.provider import Log

    from . import Options

_ROWS, _COLUMNS = 24, 80


class RecordAttach:
    """Implements :class:`conman_kernel.slots.attach.Attach`; keeps nothing between runs.

    :param state_dir: recordings go below it where ``options.folder`` is empty.
    :raises InvalidInput: an option that makes no sense.
    """

    direct = False

    def __init__(self, options: Options, state_dir: str, log: Log) -> None:
        folder = os.path.expanduser(options.folder) if options.folder else state_dir + "/recordings"
        if not folder.startswith("/"):
            raise InvalidInput(f"[plugin.record-attach] folder: {options.folder!r} is not an absolute path")
        if not options.idle_limit >= 0:
            raise InvalidInput(f"[plugin.record-attach] idle_limit: {options.idle_limit} is less than 0")
        self._folder = folder
        self._options = options
        self._log = log

    def run(self, request: AttachRequest) -> End:
        """See the protocol. Where the recording cannot be made, or goes wrong, the session goes on without it."""
        recording = Recording(
            self._folder, _name(request), self._header(request), keys=self._options.input, lines=not request.session.terminal,
            log=self._log, seen=terminal.is_terminal(request.stderr))
        return join(request, recording)

    def _header(self, request: AttachRequest) -> Header:
        rows, columns = terminal.size(request.stdin, request.stdout, request.stderr) or (_ROWS, _COLUMNS)
        environment = {name: os.environ[name] for name in ("TERM", "SHELL") if name in os.environ}
        return Header(width=columns, height=rows, title=_name(request), command=request.command, environment=environment,
                      idle_limit=self._options.idle_limit)


def _name(request: AttachRequest) -> str:
    return request.name or request.container[:12] or "session"
