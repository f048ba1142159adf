"""A second shim, written from ``shim/PROTOCOL.md`` alone: it shares no line with the stock one and imports nothing of this project.

It proves the page. Left out is what the page leaves free: descriptors over the socket, splicing, rotation. Its parts lie beside it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time

from tiny_control import Refused
from tiny_loop import PASSED_ON
from tiny_process import PIECE
from tiny_session import Session
from tiny_start import Start

__all__ = ["Session", "Shim", "begin"]


class Shim(Start):
    """The order of things."""

    def run(self) -> None:
        self.tell(b"ready", version=1, pid=os.getpid())
        while not self.configured:
            self.hear()
            if self.channel is None:
                return
        clean = True
        try:
            self.prepare()
            self.create()
        except Refused as refusal:
            clean = refusal.stage != "lock"
            self.tell(b"error", stage=refusal.stage, exit=refusal.status, text=str(refusal))
            if self.started:
                self.drain()
            for session in self.sessions:
                session.say(0x86 if session.hello else 0x82, str(refusal).encode())
                session.closing = True
        else:
            self.tell(b"created", pid=self.pid)
            self.live()
        self.leave(clean)

    def live(self) -> None:
        while not self.started and self.channel is not None:
            self.turn()
        if not self.started:
            self.kill(signal.SIGKILL)
            self.flowing = True
        for at in range(0, len(self.words), PIECE):
            self.output(2, self.words[at:at + PIECE])
        for number in self.early_signals:
            self.kill(number)
        while self.pid not in self.reaped:
            self.turn()
        oom = int(self.out_of_memory() > self.killed_before)
        self.drain()
        self.stop_input()
        if self.log >= 0:
            os.close(self.log)
        code = os.waitstatus_to_exitcode(self.reaped[self.pid])
        number, code = (-code, 128 - code) if code < 0 else (0, code)
        if self.started or not self.done:
            self.exit_file(code, number, oom)
        self.code = code
        for session in self.sessions:
            self.say_exited(session)

    def exit_file(self, code: int, number: int, oom: int) -> None:
        finished, path = time.time_ns(), self.one(b"exit_file")
        fd = os.open(path + b".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, b"code=%d\nsignal=%d\noom=%d\nfinished=%d\n" % (code, number, oom, finished))
        if self.on(b"durable"):
            os.fsync(fd)
        os.close(fd)
        os.rename(path + b".new", path)
        if self.on(b"durable"):
            fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(fd)
            os.close(fd)
        self.tell(b"exited", code=code, signal=number, oom=oom, finished=finished)

    def leave(self, clean: bool) -> None:
        while not self.done and not self.released and self.channel is not None:
            self.turn()
        end = time.monotonic() + 5
        while self.sessions and time.monotonic() < end:
            self.turn(0.1)
        for path in self.made:
            os.unlink(path)
        if clean and not self.done and self.config.get(b"cleanup"):
            null = os.open("/dev/null", os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.closerange(3, 1 << 16)
            for number in (*PASSED_ON, signal.SIGCHLD, signal.SIGPIPE):
                signal.signal(number, signal.SIG_DFL)
            argv = self.config[b"cleanup"]
            os.execvp(argv[0], argv)


def begin(shim: type[Shim] = Shim) -> None:
    """Leave the first process, and be a shim in the second."""
    if os.fork():
        os._exit(0)
    os.closerange(4, 1 << 16)
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    os.set_inheritable(3, False)
    shim(socket.socket(fileno=3)).run()


if __name__ == "__main__":
    begin()
    sys.exit(0)
