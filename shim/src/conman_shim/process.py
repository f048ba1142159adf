"""The container's main process as sessions see it: streams, size, signals."""

from __future__ import annotations

import os

from .config import Config
from .input import Input
from .loop import Loop
from .output import PIECE, Output
from .sessions import Container, Sessions
from .terminal import resize

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    from .log import CriLog, NoLog


class Process(Container):
    """From the moment its streams are there to its end.

    :ivar log: where its output goes; None: nowhere, and then it may be spliced.
    :ivar pid: 0 until create has succeeded.
    :ivar reaped: it was waited for: the pid may be another's now.
    :ivar flowing: the kernel said ``started``, or went away: stream 1 may be read, stream 2 once there is a pid.
    """

    def __init__(self, loop: Loop, config: Config) -> None:
        self._loop = loop
        self._config = config
        self._outputs: list[Output] = []
        self._ended = False
        self.reaped = False
        self._early_words = b""
        self._early_signals: list[int] = []
        self.log: CriLog | NoLog | None = None
        self.pid = 0
        self.flowing = False
        self.terminal = config.terminal
        self.input = Input(loop, terminal=config.terminal) if config.stdin else None
        self.sessions = Sessions(loop, self, most=config.sessions, stdin_once=config.stdin_once)

    def stream(self, number: int, fd: int) -> None:
        """Here is an output, or (0) the input. The descriptor is ours from now on."""
        if number:
            self._outputs.append(Output(self._loop, fd, number, self._output, terminal=self.terminal))
        elif self.input is not None:
            self.input.begin(fd)
        self.press()

    def created(self, pid: int, words: bytes) -> None:
        """Create has succeeded.

        :param words: what came on stream 2 meanwhile.
        """
        self.pid = pid
        self._early_words = words
        self._begin()

    def flow(self) -> None:
        """The output may be read. May be called twice."""
        self.flowing = True
        self._begin()

    def end(self) -> None:
        """Give out what the pipes hold now, then close them."""
        self._ended = True
        self.sessions.bounded = False
        for output in self._outputs:
            output.drain()
        if self.input is not None:
            self.input.close()

    def _begin(self) -> None:
        if self.flowing and self.pid:
            words, self._early_words = self._early_words, b""
            for start in range(0, len(words), PIECE):
                self._output(2, words[start:start + PIECE])
            signals, self._early_signals = self._early_signals, []
            for number in signals:
                self.kill(number)
        self.press()

    def _output(self, stream: int, data: bytes) -> None:
        if self.log is not None:
            self.log.write(stream, data)
        self.sessions.output(stream, data)

    def press(self) -> None:
        for output in self._outputs:
            output.target = self.sessions.only_pipe(output.stream)
            output.log = self.log.write if self.log is not None else None
            heard = self.flowing and not self._ended and (output.stream == 1 or bool(self.pid))
            if heard and not self.sessions.pushing_back(output.stream):
                output.resume()
            else:
                output.pause()

    def resize(self, rows: int, columns: int) -> None:
        self._config.rows, self._config.columns = rows, columns
        if self.terminal and self._outputs and self._outputs[0].fd >= 0:
            resize(self._outputs[0].fd, rows, columns)

    def signal(self, number: int) -> None:
        """Send the process a signal; one that comes before it is there and started waits for that."""
        if self.flowing and self.pid:
            self.kill(number)
        elif number not in self._early_signals:
            self._early_signals.append(number)

    def kill(self, number: int) -> None:
        """Now. It is our child: as long as it is not reaped, its pid cannot be another's."""
        if self.pid and not self.reaped and 0 < number < 65:
            try:
                os.kill(self.pid, number)
            except (PermissionError, ProcessLookupError):
                return  # another user's, in a user namespace: nobody can be told who could do more
