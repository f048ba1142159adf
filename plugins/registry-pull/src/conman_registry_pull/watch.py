"""Ending blocked socket calls: when a cancel token fires, when its deadline passes, or when a body only drips."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
import threading
import time

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded

_BYTES_RECEIVED = struct.Struct("=128xQ")
"""The beginning of the kernel's ``struct tcp_info`` up to ``tcpi_bytes_received`` (Linux 4.1; include/uapi/linux/tcp.h)."""


class Watch:
    """Shuts the sockets of one request down as soon as the request's token says so.

    A thread of its own waits on the token; sockets are known by duplicates of their descriptors, so that neither
    a TLS layer nor the HTTP library can take them away or reuse their numbers.

    :param window: seconds within which a body that is being read must bring ``least`` bytes; 0: it may take its time.
    """

    def __init__(self, cancel: Cancel, window: float = 0.0, least: int = 0) -> None:
        self.cancel = cancel
        self.slow = False
        self._window = window
        self._least = least
        self._reading = False
        self._away = 0.0
        self._left = 0.0
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._fired = False
        self._done = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="registry-pull watch", daemon=True)
        self._thread.start()

    def add(self, sock: socket.socket) -> None:
        """Watch over a socket, connected or about to connect, until :meth:`stop`."""
        twin = socket.socket(sock.family, sock.type, sock.proto, fileno=os.dup(sock.fileno()))
        with self._lock:
            self._sockets.append(twin)
            if self._fired:
                _end(twin)

    def reading(self) -> None:
        """A read of the body begins: from now on silence is the other side's."""
        if self._left:
            self._away += time.monotonic() - self._left
        self._reading = True

    def read(self) -> None:
        """The read has ended: until the next one, silence is ours."""
        self._left = time.monotonic()

    def check(self) -> None:
        """Raise what the token says: :class:`Cancelled` or :class:`DeadlineExceeded`. Call it after every failure."""
        self.cancel.check()
        if self._fired:
            raise Cancelled(self.cancel.reason)

    @property
    def fired(self) -> bool:
        """The sockets were shut down because the token said so."""
        return self._fired

    def stop(self) -> None:
        """Stop watching and give all descriptors back. May be called twice."""
        with self._lock:
            done, self._done = self._done, -1
        if done < 0:
            return
        os.eventfd_write(done, 1)
        self._thread.join()
        os.close(done)
        for twin in self._sockets:
            twin.close()

    def _run(self) -> None:
        done = self._done
        before: tuple[int, float] | None = None
        try:
            while not self.cancel.wait_readable(done, timeout=self._window or None):
                now = self._measure()
                if before is not None and now is not None and self._drips(before, now):
                    with self._lock:
                        self.slow = True
                        for twin in self._sockets:
                            _end(twin)
                    return
                before = now
        except (Cancelled, DeadlineExceeded):
            with self._lock:
                self._fired = True
                for twin in self._sockets:
                    _end(twin)

    def _measure(self) -> tuple[int, float] | None:
        """Bytes received and seconds spent elsewhere so far; None where no body is being read, or nobody can say."""
        if not self._reading:
            return None
        with self._lock:
            # The last one: those before it were refused, or led to where the answer was to be found.
            count = _received(self._sockets[-1]) if self._sockets else -1
        return (count, self._away) if count >= 0 else None

    def _drips(self, before: tuple[int, float], now: tuple[int, float]) -> bool:
        # What waits in the socket was sent in time: then it is the reader who is slow.
        with self._lock:
            waiting = _waiting(self._sockets[-1])
        return not waiting and now[1] - before[1] < self._window / 2 and now[0] - before[0] < self._least


def _received(sock: socket.socket) -> int:
    """Bytes that came in so far; -1 where the kernel does not count them."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED.size)
    except OSError:
        return -1
    if len(info) < _BYTES_RECEIVED.size:
        return -1
    count: int = _BYTES_RECEIVED.unpack(info)[0]
    return count


def _waiting(sock: socket.socket) -> bool:
    (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.FIONREAD, b"\0\0\0\0"))
    return bool(count)


def _end(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side ended it first: what waits on it wakes up all the same
