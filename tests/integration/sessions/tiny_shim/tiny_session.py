"""One connection to the attach socket of the tiny shim, and what lies for it."""

from __future__ import annotations

import collections
import socket
import time

WINDOW = 256 * 1024


class Session:
    """One connection to the attach socket."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.queue: collections.deque[bytes] = collections.deque()
        self.queued = 0
        self.hello = self.foreground = self.feeds = self.closing = False
        self.streams: tuple[int, ...] = ()
        self.window = WINDOW
        self.until = time.monotonic() + 10

    def say(self, kind: int, payload: bytes = b"") -> None:
        self.queue.append(bytes((kind,)) + payload)
        self.queued += len(payload)

    def flush(self) -> bool:
        """Send what goes; False: the peer is gone, or has got its last frame."""
        while self.queue:
            try:
                self.link.send(self.queue[0], socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return True
            except (BrokenPipeError, ConnectionResetError):
                self.queue.clear()  # it has left; what it said before is still to be read
                self.queued = 0
            except OSError:
                return False
            else:
                self.queued -= len(self.queue.popleft()) - 1
        return not self.closing
