"""A person at a terminal: a PTY of its own around a command, and the time from a key to its echo."""

from __future__ import annotations

import os
import pty
import select
import signal
import sys
import termios
import time

from measure import Command

READY = b"ready"
KEY = b"x"
WAIT_SECONDS = 30.0
QUIET_SECONDS = 0.3


class Terminal:
    """A command on a PTY that does not echo by itself: what comes back was sent back by the other side.

    :raises SystemExit: the command did not say ``ready`` in time.
    """

    def __init__(self, command: Command) -> None:
        self._argv = command.argv
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.execvpe(command.argv[0], list(command.argv), dict(command.environ))
        attributes = termios.tcgetattr(self._master)
        attributes[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self._master, termios.TCSANOW, attributes)
        try:
            self._until_ready()
        except BaseException:
            self.close()
            raise

    def _read(self, seconds: float) -> bytes:
        """What lies there, or comes within the time; empty: nothing came."""
        if not select.select([self._master], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self._master, 65_536)
        except OSError:  # EIO: nobody has the other side any more
            return b""

    def _until_ready(self) -> None:
        seen = b""
        while READY not in seen:
            more = self._read(WAIT_SECONDS)
            if not more:
                sys.exit(f"bench: {' '.join(self._argv)}: not ready: {seen.decode(errors='replace')}")
            seen += more
        # Whoever changes a terminal's mode may throw away what was typed so far: until one echo came keys may be lost.
        end = time.monotonic() + WAIT_SECONDS
        while KEY not in self._typed(QUIET_SECONDS):
            if time.monotonic() > end:
                sys.exit(f"bench: {' '.join(self._argv)}: no echo")
        while self._read(QUIET_SECONDS):
            pass

    def _typed(self, seconds: float) -> bytes:
        os.write(self._master, KEY)
        return self._read(seconds)

    def key(self) -> float:
        """Type one key; seconds until its echo is here."""
        start = time.perf_counter()
        echo = self._typed(WAIT_SECONDS)
        end = time.perf_counter()
        if echo != KEY:
            sys.exit(f"bench: {' '.join(self._argv)}: {echo!r} came back for {KEY!r}")
        return end - start

    def close(self) -> None:
        """Hang up, and wait for the command's end."""
        os.close(self._master)
        end = time.monotonic() + WAIT_SECONDS
        while os.waitpid(self.pid, os.WNOHANG)[0] == 0:
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                return
            time.sleep(0.01)
