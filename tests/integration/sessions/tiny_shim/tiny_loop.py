"""The tiny shim waits in one place for everything that can happen."""

from __future__ import annotations

import functools
import os
import select
import signal
import socket
import time
from typing import Callable

from tiny_peers import Peers
from tiny_process import PIECE

HIGH, LOW = 256 * 1024, 64 * 1024
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class Loop(Peers):
    """One per process: it takes the signals.

    :ivar watched: the runtime's standard error, while it is at work; ``words``: what came of it.
    :ivar sources: what else is waited for, and who is called then.
    """

    def __init__(self, channel: socket.socket) -> None:
        super().__init__(channel)
        self.words = b""
        self.watched = -1
        self.held_up = False
        self.wake, wake_end = os.pipe()
        for fd in (self.wake, wake_end):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        for number in (*PASSED_ON, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self.sources: dict[int, Callable[[], object]] = {self.wake: self.signalled}

    def turn(self, seconds: float | None = None) -> None:
        """Wait for whatever is next, and do it."""
        self.held_up = any(s.foreground and s.queued > (LOW if self.held_up else HIGH) for s in self.sessions)
        reading = self.flowing and not self.held_up
        poll = select.poll()
        what = dict(self.sources)
        if self.watched >= 0 and len(self.words) < PIECE:
            what[self.watched] = self.runtime_said
        if self.channel is not None:
            what[self.channel.fileno()] = self.hear
        if self.listener is not None:
            what[self.listener.fileno()] = self.accept
        for stream, fd in self.outputs.items() if reading else ():
            if stream == 1 or self.pid:
                what[fd] = functools.partial(self.readable, stream, fd)
        for fd in what:
            poll.register(fd, select.POLLIN)
        for s in self.sessions:
            what[s.link.fileno()] = functools.partial(self.serve, s)
            poll.register(s.link.fileno(), select.POLLIN | (select.POLLOUT if s.queue else 0))
        feeding = self.stdin if self.input or self.input_ends else -1
        if feeding >= 0:  # a terminal is read and written
            poll.register(feeding, select.POLLOUT | (select.POLLIN if feeding in what else 0))
        if any(not s.hello for s in self.sessions):
            seconds = min(1.0, seconds or 1.0)
        for fd, events in poll.poll(None if seconds is None else seconds * 1000):
            if fd == feeding and (events & select.POLLOUT or fd not in what):
                self.feed()
            if fd in what and (fd != feeding or events & ~select.POLLOUT):
                what[fd]()
        for s in list(self.sessions):
            if not s.flush() or (not s.hello and time.monotonic() > s.until):
                self.lose(s)

    def runtime_said(self) -> None:
        """What the runtime says is needed where it fails, and is the first of stream 2 where it does not.

        Only so much as names an error: the process, which a detached exec starts at once, writes there, too.
        """
        words = self.read(self.watched)
        self.words += words
        if not words:
            self.watched = -1

    def signalled(self) -> None:
        for number in os.read(self.wake, 4096):
            if number in PASSED_ON:
                self.kill(number)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.reaped[pid] = status
