"""One container from configuration to clean-up: the order of things is here, each thing in its own file."""

from __future__ import annotations

import os
import time

from .channel import Channel
from .config import Config
from .creation import Creation
from .exit import Ending, becomes_our_child, exec_cleanup, reap, write_exit_file
from .log import CriLog, NoLog, open_log
from .loop import READ, Loop, signal_pipe
from .oom import OomWatch
from .process import Process
from .session import LINGER_SECONDS
from .spawn import become_subreaper

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    import signal as _signal
    from typing import Callable

    from .health import Health
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


class Supervisor:
    """The life of one container (PROTOCOL.md, "Life")."""

    def __init__(self, channel: Channel, config: Config) -> None:
        self._channel = channel
        self._config = config
        self._loop = Loop()
        self._reaped: dict[int, int] = {}
        self._started = self._released = self._done = False
        self._log: CriLog | NoLog = NoLog()
        self._oom = OomWatch(self._loop, config.oom_files)
        self._process = Process(self._loop, config)
        self._sessions = self._process.sessions
        self._process.health = _health(self._loop, config, self._notice)
        self._loop.add(channel.fileno(), READ, self._told)

    def run(self) -> int:
        """Everything. Returns the shim's exit code, unless it becomes the clean-up command."""
        try:
            self._prepare()
            self._create()
        except Refused as refusal:
            return self._refuse(refusal)
        self._channel.send(b"created", pid=self._process.pid)
        self._oom.watch()
        while not self._started and self._channel.open:
            self._loop.turn()
        if not self._started:
            self._process.kill(_signal.SIGKILL)  # the kernel died, or gave up, between create and start
            self._process.flow()
        elif self._process.health is not None:
            self._process.health.begin()
        while self._process.pid not in self._reaped:
            self._loop.turn()
        self._end()
        return self._leave(0, clean=True)

    def _refuse(self, refusal: Refused) -> int:
        text = str(refusal)
        self._channel.send(b"error", stage=refusal.stage.encode(), exit=refusal.status, text=text.encode())
        if self._started:
            self._process.end()  # what was said early is the process's, or the runtime's; nobody else will give it out
            self._log.close()
        self._sessions.failed(text)
        return self._leave(1, clean=refusal.stage != "lock")

    def _prepare(self) -> None:
        config = self._config
        stage = "prepare"
        try:
            self._take_lock(config.lock)
            stage = "log"
            self._log = open_log(config.log_driver, config.log_path, config.log_size, config.log_files)
            stage = "subreaper"
            become_subreaper()
            stage = "socket"
            self._signals = signal_pipe(_CAUGHT)
            self._loop.add(self._signals, READ, self._signalled)
            self._sessions.listen(config.socket)
        except OSError as error:
            raise Refused(stage, error.strerror or str(error)) from error
        self._process.log = None if isinstance(self._log, NoLog) else self._log
        self._channel.send(b"listening")

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

    def _enter_cgroups(self) -> None:
        for folder in self._config.cgroup:
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
        creation = Creation(self._loop, self._config, self._channel, self._process.stream)
        try:
            # Entering a cgroup takes the kernel 10 ms and more, which the runtime needs anyhow.
            creation.run(self._reaped, meanwhile=self._enter_cgroups)
            if creation.pid not in self._reaped and not becomes_our_child(creation.pid):
                raise Refused("create", "the runtime's process is not our child")
        except OSError as error:
            raise Refused("create", creation.said() or error.strerror or str(error), creation.status) from error
        finally:
            creation.close()
        self._process.reaped = creation.pid in self._reaped
        self._process.created(creation.pid, creation.early)

    def _end(self) -> None:
        self._channel.let_go()  # whoever hears of the end may start it again at once, and binds the same ports
        ending = Ending(self._reaped[self._process.pid], oom=self._oom.happened())
        if self._process.health is not None:
            self._process.health.end()
        self._process.end()
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
        self._channel.let_go()
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
        if name in (b"started", b"release"):
            self._started = True
            self._released |= name == b"release"
            self._process.flow()
        elif name == b"done":
            self._done = True

    def _signalled(self, events: int) -> None:
        for number in os.read(self._signals, 4096):
            if number in _FORWARDED:
                self._process.signal(number)
        ended = reap()
        for pid, status in ended.items():
            if pid == self._process.pid or not self._process.pid:  # afterwards strays are reaped and forgotten
                self._reaped[pid] = status
                self._process.reaped = bool(self._process.pid)
        if self._process.health is not None:
            self._process.health.reaped(ended)


def _health(loop: Loop, config: Config, notice: Callable[[str], None]) -> Health | None:
    if not config.health:
        return None
    from .health import Health

    return Health(loop, config, notice)
