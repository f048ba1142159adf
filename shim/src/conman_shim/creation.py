"""The time of the runtime's create command: its end, its words, the terminal it sends."""

from __future__ import annotations

import _socket
import os

from .channel import Channel
from .config import Config
from .loop import READ, Loop
from .sockets import BoundSocket
from .spawn import Standard, spawn_create
from .terminal import receive_terminal, resize, sane_output

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

WORDS = 16 * 1024
"""Bytes of the runtime's stderr that are passed on when it fails (the last ones)."""

EARLY = 1024 * 1024
"""Bytes of stderr that are taken before the command has ended; a process that an exec began may write there already.
More waits in the pipe: nothing of a process's output may be lost."""

ORPHANED_SECONDS = 10.0
"""How long a create may go on once the kernel is gone. Then it is killed, and clean-up clears what is left."""


class Creation:
    """One run of the create command.

    :ivar pid: the container's process, once :meth:`run` has returned.
    :ivar early: what was written to standard error so far although all went well.
    :ivar status: the command's exit code, 128+n for a signal, -1 while unknown.
    """

    def __init__(self, loop: Loop, config: Config, channel: Channel) -> None:
        self._loop = loop
        self._config = config
        self._channel = channel
        self._console: BoundSocket | None = None
        self._connection: _socket.socket | None = None
        self._standard = Standard()
        self._words = bytearray()
        self._master = -1
        self._hurried = False
        self.pid = 0
        self.status = -1
        self.early = b""

    def run(self, reaped: dict[int, int]) -> Standard:
        """Run the command to its end.

        :param reaped: filled, while the loop turns, with the children that ended.
        :returns: our ends of the process's standard streams.
        :raises OSError: it failed, could not be run, or left no pid or no terminal; see :attr:`status`, :meth:`said`.
        """
        config = self._config
        argv = config.create
        if config.terminal:
            self._console = BoundSocket(config.console_socket, _socket.SOCK_STREAM)
            short = self._console.short_path(config.console_socket)
            argv = [part.replace(config.console_socket, short) for part in argv]
            self._loop.add(self._console.fileno(), READ, self._connected)
        child, self._standard = spawn_create(config, argv)
        self._loop.add(self._standard.stderr, READ, self._speaking)
        while child not in reaped:
            if not self._channel.open and not self._hurried:
                self._hurried = True
                self._loop.after(ORPHANED_SECONDS, lambda: self._kill(child, reaped))
            self._loop.turn()
        status = reaped.pop(child)
        self._loop.remove(self._standard.stderr)
        self._listen()
        if status != 0:
            self.status = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            raise OSError(0, f"the runtime's create ended with {self.status}")
        self._succeeded()
        return self._standard

    def said(self) -> str:
        """The last words of the runtime."""
        return self._words[-WORDS:].decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Close what only the creation needs; the streams too, unless it went well. May be called twice."""
        for source in (self._console, self._connection):
            if source is not None:
                self._loop.remove(source.fileno())
                source.close()
        self._console = self._connection = None
        if not self.pid:
            for fd in (self._standard.stdin, self._standard.stdout, self._standard.stderr):
                if fd >= 0:
                    self._loop.remove(fd)
                    os.close(fd)
            self._standard = Standard()

    def _succeeded(self) -> None:
        standard = self._standard
        if self._config.terminal:
            if self._master < 0:
                raise OSError(0, "the runtime sent no terminal over the console socket")
            os.close(standard.stderr)
            standard.stderr = -1
            standard.stdout = self._master
            sane_output(self._master)
            if self._config.rows and self._config.columns:
                resize(self._master, self._config.rows, self._config.columns)
            if self._config.stdin:
                standard.stdin = os.dup(self._master)
        else:
            self.early = bytes(self._words)
        with open(self._config.pid_file, "rb", buffering=0) as file:
            content = (file.read(32) or b"").strip()
        if not content.isdigit():
            raise OSError(0, "the runtime left no pid in its pid file")
        self.pid = int(content)

    def _kill(self, child: int, reaped: dict[int, int]) -> None:
        if child not in reaped:
            os.kill(child, _signal.SIGKILL)

    def _speaking(self, events: int) -> None:
        if not self._listen():
            self._loop.remove(self._standard.stderr)

    def _listen(self) -> bool:
        """Take what is on standard error now. False at its end, or once it is enough for now."""
        while len(self._words) < EARLY:
            try:
                data = os.read(self._standard.stderr, WORDS)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._words += data
        return False

    def _connected(self, events: int) -> None:
        if self._console is None or self._connection is not None:
            return
        self._connection = self._console.accept()
        if self._connection is not None:
            self._loop.add(self._connection.fileno(), READ, self._sent)

    def _sent(self, events: int) -> None:
        if self._connection is None:
            return
        try:
            master = receive_terminal(self._connection)
        except BlockingIOError:
            return
        if master >= 0 and self._master < 0:
            self._master = master
        self._loop.remove(self._connection.fileno())
