"""How the tiny shim gets a process beside it (``shim/PROTOCOL.md``, "Life", 1 and 2, and "Terminal")."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import termios
import time

from tiny_control import Refused
from tiny_loop import Loop


class Start(Loop):
    """From the configuration to the process.

    :ivar made: sockets to be removed at the end.
    :ivar killed_before: how often the cgroup had run out of memory before.
    """

    def __init__(self, channel: socket.socket) -> None:
        super().__init__(channel)
        self.console: socket.socket | None = None
        self.made: list[bytes] = []
        self.killed_before = 0

    def prepare(self) -> None:
        stage = "lock"
        if int(self.one(b"log_size", b"0")):
            raise Refused("config", "this shim does not rotate logs")
        try:
            self.lock = os.open(self.one(b"lock"), os.O_RDWR | os.O_CREAT, 0o600)
            end = time.monotonic() + 0.5
            while True:
                try:
                    fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise Refused("lock", "held by another") from None
                    self.turn(0.005)
            stage = "log"
            if self.one(b"log_driver", b"cri") == b"cri":
                self.log = os.open(self.one(b"log_path"), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
                size = os.fstat(self.log).st_size
                if size and os.pread(self.log, 1, size - 1) != b"\n":
                    os.write(self.log, b"\n")
            stage = "socket"
            self.listener = self.bind(self.one(b"socket"), socket.SOCK_SEQPACKET)[0]
        except OSError as error:
            raise Refused(stage, error.strerror or str(error)) from error
        for folder in self.config.get(b"cgroup", []):
            try:
                with open(folder + b"/cgroup.procs", "wb", 0) as file:
                    file.write(b"%d" % os.getpid())
            except OSError as error:
                self.tell(b"notice", text=f"{folder!r}: {error.strerror}")
        self.killed_before = self.out_of_memory()
        self.tell(b"listening")

    def bind(self, path: bytes, kind: int) -> tuple[socket.socket, int]:
        folder, name = os.path.split(path)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        bound = socket.socket(socket.AF_UNIX, kind)
        mask = os.umask(0o177)
        bound.bind(b"/proc/self/fd/%d/%s" % (handle, name))
        os.umask(mask)
        bound.listen(64)
        bound.setblocking(False)
        self.made.append(path)
        return bound, handle

    def create(self) -> None:
        argv, terminal = list(self.config[b"create"]), self.on(b"terminal")
        if terminal:
            path = self.one(b"console_socket")
            self.console, handle = self.bind(path, socket.SOCK_STREAM)
            self.sources[self.console.fileno()] = self.master
            if len(path) > 107:
                short = b"/proc/%d/fd/%d/%s" % (os.getpid(), handle, os.path.basename(path))
                argv = [word.replace(path, short) for word in argv]
        null = os.open("/dev/null", os.O_RDWR)
        out, out_end = os.pipe()
        err, err_end = (out, out_end) if terminal else os.pipe()
        source, self.stdin = os.pipe() if self.on(b"stdin") and not terminal else (null, -1)
        env = dict(entry.split(b"=", 1) for entry in self.config.get(b"env", [])) if self.on(b"own_env") else dict(os.environb)
        moves = [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate((source, out_end, err_end))]
        try:
            child = os.posix_spawnp(argv[0], argv, env, file_actions=moves, setsigmask=[],
                                    setsigdef=[n for n in range(1, 32) if n not in (9, 19)])
        except OSError as error:
            raise Refused("create", error.strerror or "") from error
        for fd in {null, out_end, err_end, source}:
            os.close(fd)
        for fd in (out, err, self.stdin):
            if fd >= 0:
                os.set_blocking(fd, False)
        if not terminal:
            self.outputs.update({1: out, 2: err})
        self.watched, end = err, 0.0
        while child not in self.reaped:
            if self.channel is None:
                end = end or time.monotonic() + 10
                if time.monotonic() > end:
                    os.kill(child, signal.SIGKILL)
            self.turn(0.1 if end else None)
        self.watched = -1
        status = os.waitstatus_to_exitcode(self.reaped.pop(child))
        if status != 0:
            words = (self.words + self.held(err))[-16384:]
            raise Refused("create", words.decode("utf-8", "replace"), status if status > 0 else 128 - status)
        try:
            with open(self.one(b"pid_file"), "rb") as file:
                self.pid = int(file.read())
            if self.pid not in self.reaped:
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except (OSError, ValueError) as error:
            raise Refused("create", f"no process: {error}") from error
        if terminal:
            os.close(out)
            if self.console is not None:
                try:
                    self.master()
                except OSError as error:
                    raise Refused("create", f"no terminal came: {error.strerror}") from error

    def master(self) -> None:
        """The terminal, which has come to the console socket."""
        assert self.console is not None
        link = self.console.accept()[0]
        link.setblocking(True)
        fd = socket.recv_fds(link, 4096, 1)[1][0]
        link.close()
        del self.sources[self.console.fileno()]
        self.console.close()
        self.console = None
        modes = termios.tcgetattr(fd)
        modes[1] |= termios.OPOST | termios.ONLCR
        termios.tcsetattr(fd, termios.TCSANOW, modes)
        self.size(int(self.one(b"rows", b"0")), int(self.one(b"columns", b"0")), fd)
        os.set_blocking(fd, False)
        self.outputs[1] = self.stdin = fd

    def out_of_memory(self) -> int:
        """How often so far."""
        count = 0
        for path in self.config.get(b"oom_files", []):
            try:
                with open(path, "rb") as file:
                    count += sum(int(line.split()[1]) for line in file if line.startswith(b"oom_kill "))
            except OSError:
                continue  # the cgroup is not there yet, or gone
        return count
