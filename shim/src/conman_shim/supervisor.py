"""One container from configuration to clean-up: the order of things is here, each thing in its own file."""

from __future__ import annotations

import os
import time

from .channel import Channel
from .config import Config
from .creation import Creation
from .exit import Ending, exec_cleanup, is_our_child, out_of_memory, reap, write_exit_file
from .log import CriLog, NoLog
from .loop import READ, Loop, signal_pipe
from .session import LINGER_SECONDS
from .sessions import Container, Sessions
from .spawn import Standard, become_subreaper
from .streams import PIECE, Input, Output
from .terminal import resize

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

_FORWARDED = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP, _signal.SIGQUIT)
_LOCK_SECONDS = 0.5
_CAUGHT = (*_FORWARDED, _signal.SIGCHLD)


class Refused(Exception):
    """The shim cannot go on; the kernel is told the stage and the text."""

    def __init__(self, stage: str, text: str, status: int = -1) -> None:
        super().__init__(text)
        self.stage = stage
        self.status = status


class Supervisor(Container):
    """The life of one container (PROTOCOL.md, "Life")."""

    def __init__(self, channel: Channel, config: Config) -> None:
        self._channel = channel
        self._config = config
        self._loop = Loop()
        self._reaped: dict[int, int] = {}
        self._pid = 0
        self._outputs: list[Output] = []
        self._input: Input | None = None
        self._early_input: list[bytes] = []
        self._early_end = False
        self._early_output = b""
        self._started = self._released = self._done = False
        self._reading = False
        self._log: CriLog | NoLog = NoLog()
        self._sessions = Sessions(self._loop, self, self._press)
        self.terminal = config.terminal
        self._loop.add(channel.fileno(), READ, self._told)

    def run(self) -> int:
        """Everything. Returns the shim's exit code, unless it becomes the clean-up command."""
        try:
            self._prepare()
            self._create()
        except Refused as refusal:
            self._channel.send(b"error", stage=refusal.stage.encode(), exit=refusal.status, text=str(refusal).encode())
            return self._leave(1, clean=refusal.stage != "lock")
        self._channel.send(b"created", pid=self._pid)
        while not self._started and self._channel.open:
            self._loop.turn()
        if not self._started:
            self.kill(_signal.SIGKILL)  # the kernel died, or gave up, between create and start
        self._reading = True
        for start in range(0, len(self._early_output), PIECE):
            self._output(2, self._early_output[start:start + PIECE])
        self._press()
        while self._pid not in self._reaped:
            self._loop.turn()
        self._end()
        return self._leave(0, clean=True)

    def _prepare(self) -> None:
        config = self._config
        stage = "prepare"
        try:
            self._take_lock(config.lock)
            stage = "log"
            if config.log_driver == b"cri":
                self._log = CriLog(config.log_path)
            stage = "subreaper"
            become_subreaper()
            stage = "socket"
            self._signals = signal_pipe(_CAUGHT)
            self._loop.add(self._signals, READ, self._signalled)
            self._sessions.listen(config.socket)
        except OSError as error:
            raise Refused(stage, error.strerror or str(error)) from error
        for folder in config.cgroup:
            self._enter_cgroup(folder)

    def _take_lock(self, path: bytes) -> None:
        import fcntl
        self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Refused("lock", "another shim holds it") from None
                time.sleep(0.005)  # somebody may only be looking whether it is held

    def _enter_cgroup(self, folder: bytes) -> None:
        try:
            fd = os.open(folder + b"/cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, b"%d" % os.getpid())
            finally:
                os.close(fd)
        except OSError as error:
            where = folder.decode("utf-8", "replace")
            self._notice(f"the shim cannot enter {where}: {error.strerror}")

    def _create(self) -> None:
        creation = Creation(self._loop, self._config, self._channel)
        try:
            standard = creation.run(self._reaped)
            self._pid = creation.pid
            if self._pid not in self._reaped and not is_our_child(self._pid):
                raise Refused("create", "the runtime's process is not our child")
        except OSError as error:
            raise Refused("create", creation.said() or error.strerror or str(error), creation.status) from error
        finally:
            creation.close()
        self._take_streams(standard)
        self._early_output = creation.early

    def _take_streams(self, standard: Standard) -> None:
        terminal = self._config.terminal
        for stream, fd in ((1, standard.stdout), (2, standard.stderr)):
            if fd >= 0:
                self._outputs.append(Output(self._loop, fd, stream, self._output, terminal=terminal))
        if standard.stdin >= 0:
            self._input = Input(self._loop, standard.stdin, terminal=terminal, consumed=self._sessions.consumed)
            for data in self._early_input:
                self._input.offer(data)
            if self._early_end:
                self._input.end()

    def _end(self) -> None:
        self._reading = False
        ending = Ending(self._reaped[self._pid], oom=out_of_memory(self._config.oom_files))
        for output in self._outputs:
            output.drain()
        if self._input is not None:
            self._input.close()
        if self._log.lost:
            self._notice(f"{self._log.lost} bytes of log were lost: {self._log.why}")
        self._log.close()
        if not self._started and self._done:
            self._sessions.ended(ending.code)
            return  # undone before it ever ran: nobody is to find an exit file
        try:
            write_exit_file(self._config, ending)
        except OSError as error:
            self._notice(f"the exit file could not be written: {error.strerror}")
        self._channel.send(b"exited", code=ending.code, signal=ending.signal, oom=int(ending.oom),
                           finished=ending.finished)
        self._sessions.ended(ending.code)

    def _leave(self, code: int, *, clean: bool) -> int:
        while not self._done and self._channel.open and not self._released:
            self._loop.turn()
        self._loop.after(LINGER_SECONDS, self._sessions.give_up)
        while not self._sessions.empty:
            self._loop.turn()
        self._sessions.close()
        if clean and not self._done and self._config.cleanup:
            exec_cleanup(self._config.cleanup, _CAUGHT)
        return code

    def _notice(self, text: str) -> None:
        self._channel.send(b"notice", text=text.encode("utf-8", "replace"))

    def _told(self, events: int) -> None:
        fd = self._channel.fileno()
        message = self._channel.receive()
        if message is None:
            self._loop.remove(fd)
            self._channel.close()
            return
        name = message[0]
        if name == b"started":
            self._started = True
        elif name == b"release":
            self._started = self._released = True
        elif name == b"done":
            self._done = True

    def _signalled(self, events: int) -> None:
        for number in os.read(self._signals, 4096):
            if number in _FORWARDED:
                self.kill(number)
        for pid, status in reap().items():
            if pid == self._pid or not self._pid:  # afterwards strays are reaped and forgotten
                self._reaped[pid] = status

    def _output(self, stream: int, data: bytes) -> None:
        self._log.write(stream, data)
        self._sessions.output(stream, data)

    def _press(self) -> None:
        for output in self._outputs:
            if self._reading and not self._sessions.pushing_back:
                output.resume()
            else:
                output.pause()

    # What a session may do to the container.

    def stdin_open(self) -> bool:
        return self._config.stdin and (self._input is None or self._input.open)

    def feed(self, data: bytes) -> None:
        if self._input is None:
            self._early_input.append(data)
        else:
            self._input.offer(data)

    def end_input(self) -> None:
        if self._input is None:
            self._early_end = True
        else:
            self._input.end()

    def resize(self, rows: int, columns: int) -> None:
        self._config.rows, self._config.columns = rows, columns
        if self.terminal and self._outputs and self._outputs[0].fd >= 0:
            resize(self._outputs[0].fd, rows, columns)

    def kill(self, number: int) -> None:
        """Send a signal to the main process. It is our child and not yet reaped, so its pid cannot be another's."""
        if self._pid and self._pid not in self._reaped and 0 < number < 65:
            os.kill(self._pid, number)

    def session_left(self, *, detached: bool) -> None:
        if self._config.stdin_once and not detached:
            self.end_input()
