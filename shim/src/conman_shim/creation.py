"""The time of the runtime's create command: its end, its words, the terminal it sends."""

from __future__ import annotations

import _socket
import os

from .channel import Channel
from .config import Config
from .loop import READ, Loop, Timer
from .sockets import BoundSocket
from .spawn import spawn_create
from .terminal import receive_terminal, resize, sane_output

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    import signal as _signal
    from typing import Callable
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

    :param stream: called with 0, 1 or 2 and our end of that stream, which the callee then owns: 0 and 1 as soon as there is
        one (with a terminal: once the runtime has sent it), 2 when create has succeeded.
    :ivar pid: the container's process, once :meth:`run` has returned.
    :ivar early: what was written to standard error so far although all went well.
    :ivar status: the command's exit code, 128+n for a signal, -1 while unknown.
    """

    def __init__(self, loop: Loop, config: Config, channel: Channel, stream: Callable[[int, int], None]) -> None:
        self._loop = loop
        self._config = config
        self._channel = channel
        self._stream = stream
        self._console: BoundSocket | None = None
        self._connection: _socket.socket | None = None
        self._stderr = -1
        self._words = bytearray()
        self._sent_one = False
        self._wrong: OSError | None = None
        self._hurried: Timer | None = None
        self.pid = 0
        self.status = -1
        self.early = b""

    def run(self, reaped: dict[int, int], *, meanwhile: Callable[[], None]) -> None:
        """Run the command to its end.

        :param reaped: filled, while the loop turns, with the children that ended.
        :param meanwhile: called once the command runs.
        :raises OSError: it failed, could not be run, or left no pid or no terminal; see :attr:`status`, :meth:`said`.
        """
        config = self._config
        argv = config.create
        if config.terminal:
            self._console = BoundSocket(config.console_socket, _socket.SOCK_STREAM)
            short = self._console.short_path(config.console_socket)
            argv = [part.replace(config.console_socket, short) for part in argv]
            self._loop.add(self._console.fileno(), READ, self._connected)
        child = self._spawn(argv)
        meanwhile()
        while child not in reaped:
            if not self._channel.open and self._hurried is None:
                self._hurried = self._loop.after(ORPHANED_SECONDS, lambda: self._kill(child, reaped))
            self._loop.turn()
        status = reaped.pop(child)
        self._loop.remove(self._stderr)
        self._listen()
        if status != 0:
            self.status = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            raise OSError(0, f"the runtime's create ended with {self.status}")
        self._succeeded()

    def _spawn(self, argv: list[bytes]) -> int:
        child, standard = spawn_create(self._config, argv)
        self._stderr = standard.stderr
        self._loop.add(self._stderr, READ, self._speaking)
        for number, fd in ((0, standard.stdin), (1, standard.stdout)):
            if fd >= 0:
                self._stream(number, fd)
        return child

    def said(self) -> str:
        """The last words of the runtime."""
        return self._words[-WORDS:].decode("utf-8", "replace").strip()

    def close(self) -> None:
        """Close what only the creation needs. May be called twice."""
        for source in (self._console, self._connection):
            if source is not None:
                self._loop.remove(source.fileno())
                source.close()
        self._console = self._connection = None
        self._loop.cancel(self._hurried)
        fd, self._stderr = self._stderr, -1
        if fd >= 0:
            self._loop.remove(fd)
            os.close(fd)

    def _succeeded(self) -> None:
        if self._config.terminal:
            if self._wrong is not None:
                raise self._wrong
            if not self._sent_one:
                raise OSError(0, "the runtime sent no terminal over the console socket")
        with open(self._config.pid_file, "rb", buffering=0) as file:
            content = (file.read(32) or b"").strip()
        if not content.isdigit():
            raise OSError(0, "the runtime left no pid in its pid file")
        self.pid = int(content)
        if not self._config.terminal:  # else it was only the runtime's own
            self.early = bytes(self._words)
            fd, self._stderr = self._stderr, -1
            self._stream(2, fd)

    def _kill(self, child: int, reaped: dict[int, int]) -> None:
        if child not in reaped:
            os.kill(child, _signal.SIGKILL)

    def _speaking(self, events: int) -> None:
        if not self._listen():
            self._loop.remove(self._stderr)

    def _listen(self) -> bool:
        """Take what is on standard error now. False at its end, or once it is enough for now."""
        while len(self._words) < EARLY:
            try:
                data = os.read(self._stderr, WORDS)
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
        if master >= 0 and not self._sent_one:
            self._sent_one = True
            try:
                self._terminal(master)
            except OSError as error:
                self._wrong = error
        self._loop.remove(self._connection.fileno())

    def _terminal(self, master: int) -> None:
        # Once, and now: later the process may have set it as it likes.
        sane_output(master)
        if self._config.rows and self._config.columns:
            resize(master, self._config.rows, self._config.columns)
        if self._config.stdin:
            self._stream(0, os.dup(master))
        self._stream(1, master)
