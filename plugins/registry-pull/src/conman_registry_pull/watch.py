"""Ending blocked socket calls when a cancel token fires or its deadline passes."""

from __future__ import annotations

import os
import socket
import threading

from conman_kernel.cancel import Cancel
from conman_kernel.errors import Cancelled, DeadlineExceeded


class Watch:
    """Shuts the sockets of one request down as soon as the request's token says so.

    A thread of its own waits on the token; sockets are known by duplicates of their descriptors, so that neither
    a TLS layer nor the HTTP library can take them away or reuse their numbers.
    """

    def __init__(self, cancel: Cancel) -> None:
        self.cancel = cancel
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

    def check(self) -> None:
        """Raise what the token says: :class:`Cancelled` or :class:`DeadlineExceeded`. Call it after every failure."""
        self.cancel.check()
        if self._fired:
            raise Cancelled(self.cancel.reason)

    @property
    def fired(self) -> bool:
        """The sockets were shut down."""
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
        try:
            self.cancel.wait_readable(self._done)
        except (Cancelled, DeadlineExceeded):
            with self._lock:
                self._fired = True
                for twin in self._sockets:
                    _end(twin)


def _end(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side ended it first: what waits on it wakes up all the same
