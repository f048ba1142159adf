"""The ``conman`` command with a root of its own, as tests run it: to its end, in the background, or on a terminal.

::

    conman = Command(folder)
    assert conman.ok("run", "--rm", image, "echo", "hello") == "hello\\n"
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from typing import IO, Mapping

PATIENCE = 120.0
"""Seconds after which a command counts as hung."""

_MODULE = "import sys; from conman_kernel.cli.entry import main; sys.exit(main())"


class Command:
    """One store and the command that works on it. Nothing is made before the first call.

    :param folder: gets ``root`` and ``run`` below it.
    :param environ: more for every call's environment.
    """

    def __init__(self, folder: str, environ: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.root = f"{folder}/root"
        self.run_root = f"{folder}/run"
        self.environ = {key: value for key, value in os.environ.items() if not key.startswith("CONMAN_")}
        # No bridge appears on the host unless a test asks for it, in a network namespace of its own.
        self.environ.update(CONMAN_ROOT=self.root, CONMAN_RUN_ROOT=self.run_root, XDG_CONFIG_HOME=f"{folder}/config",
                            CONMAN_CONTAINERS_NETWORK="none")
        self.environ.update(environ or {})
        program = os.environ.get("CONMAN_BIN") or os.path.join(os.path.dirname(sys.executable), "conman")
        # A checkout on sys.path has the module and no installed command.
        self.program = [program] if os.path.exists(program) else [sys.executable, "-c", _MODULE]

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line."""
        return [*self.program, *arguments]

    def __call__(self, *arguments: str, stdin: bytes | None = None, timeout: float = PATIENCE,
                 **environ: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end; the exit status is the caller's affair.

        :raises AssertionError: it showed a traceback, which is always a defect.
        """
        done = self.raw(*arguments, stdin=stdin, timeout=timeout, **environ)
        text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode("utf-8", "replace"),
                                           done.stderr.decode("utf-8", "replace"))
        assert "Traceback" not in text.stderr and "has a defect" not in text.stderr, text.stderr
        return text

    def raw(self, *arguments: str, stdin: bytes | None = None, timeout: float = PATIENCE,
            **environ: str) -> subprocess.CompletedProcess[bytes]:
        """As a call, with bytes for output."""
        source: dict[str, object] = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done: subprocess.CompletedProcess[bytes] = subprocess.run(  # type: ignore[call-overload]
            self.argv(*arguments), capture_output=True, timeout=timeout, env={**self.environ, **environ}, **source)
        return done

    def ok(self, *arguments: str, stdin: bytes | None = None, **environ: str) -> str:
        """Run it, insist on success, return its output.

        :raises AssertionError: it failed.
        """
        done = self(*arguments, stdin=stdin, timeout=PATIENCE, **environ)
        assert done.returncode == 0, f"conman {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *arguments: str, stdin: int | IO[bytes] | None = subprocess.DEVNULL,
              **environ: str) -> subprocess.Popen[bytes]:
        """Begin it, in a process group of its own, with pipes for its output."""
        return subprocess.Popen(self.argv(*arguments), stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**self.environ, **environ}, process_group=0)

    def on_terminal(self, *arguments: str, rows: int = 24, columns: int = 80) -> Terminal:
        """Begin it on a terminal of its own, in a session that the terminal controls."""
        return Terminal(self.argv(*arguments), self.environ, rows, columns)

    def inspect(self, name: str) -> dict[str, object]:
        """What ``inspect`` says of a container or image."""
        found: dict[str, object] = json.loads(self.ok("inspect", name))[0]
        return found

    def clear(self) -> None:
        """Remove every container that is left."""
        left = self.ok("ps", "-a", "-q", "--no-trunc").split()
        if left:
            self.ok("rm", "--force", "--time", "0", *left)


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, argv: list[str], environ: Mapping[str, str], rows: int, columns: int) -> None:
        import fcntl
        import struct
        import termios

        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(argv[0], argv, dict(environ))
        self.seen = b""

    def type(self, text: bytes) -> None:
        """Type something."""
        os.write(self.fd, text)

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the window."""
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def expect(self, text: bytes, seconds: float = 30.0) -> bytes:
        """Read until ``text`` was shown.

        :returns: everything up to and with it that was not returned before.
        :raises AssertionError: it did not come.
        """
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert self._read(end), f"{text!r} did not come: {self.seen!r}"
        before, found, self.seen = self.seen.partition(text)
        return before + found

    def wait(self, seconds: float = 30.0) -> int:
        """Read to the end.

        :returns: the exit code, 128+n for a signal.
        :raises AssertionError: it goes on.
        """
        end = time.monotonic() + seconds
        while self._read(end):
            continue
        assert time.monotonic() < end, f"it goes on: {self.seen!r}"
        os.close(self.fd)
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return code if code >= 0 else 128 - code

    def _read(self, end: float) -> bool:
        if not select.select([self.fd], [], [], max(0.0, end - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False  # EIO: nobody has the terminal open any more
        self.seen += data
        return bool(data)
