"""A second shim, written from ``shim/PROTOCOL.md`` alone: it shares no line with the stock one and imports nothing of this project.

It proves the page. Left out is what the page leaves free: descriptors over the socket, splicing, rotation.
"""

from __future__ import annotations

import collections
import ctypes
import fcntl
import functools
import os
import select
import signal
import socket
import struct
import sys
import termios
import time
from typing import Callable

PACKET = 192 * 1024
PIECE = 65536
WINDOW = 256 * 1024
QUEUE = 1024 * 1024
HIGH, LOW = 256 * 1024, 64 * 1024
MANY = {b"create", b"cleanup", b"cgroup", b"oom_files", b"env"}
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


class Refused(Exception):
    def __init__(self, stage: str, text: str, status: int = -1) -> None:
        super().__init__(text)
        self.stage, self.status = stage, status


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
            except OSError:
                return False
            self.queued -= len(self.queue.popleft()) - 1
        return not self.closing


class Shim:
    def __init__(self, channel: socket.socket) -> None:
        self.channel: socket.socket | None = channel
        self.config: dict[bytes, list[bytes]] = {}
        self.configured = self.started = self.released = self.done = False
        self.pid = 0
        self.reaped: dict[int, int] = {}
        self.outputs: dict[int, int] = {}
        self.stdin = -1
        self.input: collections.deque[tuple[Session | None, bytes]] = collections.deque()
        self.input_ends = self.line_open = False
        self.sessions: list[Session] = []
        self.listener: socket.socket | None = None
        self.console: socket.socket | None = None
        self.log = -1
        self.made: list[bytes] = []
        self.words = b""
        self.watched = -1
        self.flowing = self.held_up = False
        self.code = -1
        self.early_signals: list[int] = []
        self.killed_before = 0

    # -- configuration

    def one(self, key: bytes, default: bytes = b"") -> bytes:
        return self.config.get(key, [default])[-1]

    def on(self, key: bytes) -> bool:
        return self.one(key) == b"1"

    def tell(self, name: bytes, **records: object) -> None:
        packet = name + b"\0"
        for key, value in records.items():
            packet += key.encode() + b"=" + (value if isinstance(value, bytes) else str(value).encode()) + b"\0"
        if self.channel is not None:
            try:
                self.channel.send(packet, socket.MSG_NOSIGNAL)
            except OSError:
                pass  # its end is seen where it is read

    def hear(self) -> None:
        """One packet of the control channel."""
        assert self.channel is not None
        try:
            packet = self.channel.recv(PACKET)
        except OSError:
            packet = b""
        if not packet:
            self.channel.close()
            self.channel = None
            return
        name, _, rest = packet.partition(b"\0")
        if name == b"config":
            more = False
            for record in rest.rstrip(b"\0").split(b"\0"):
                key, _, value = record.partition(b"=")
                more = more or (key, value) == (b"more", b"1")
                self.config.setdefault(key, []).append(value)
            self.configured = not more
        self.started = self.started or name in (b"started", b"release")
        self.flowing = self.flowing or self.started
        self.released = self.released or name == b"release"
        self.done = self.done or name == b"done"

    # -- the order of things

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

    def prepare(self) -> None:
        stage = "lock"
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
                    time.sleep(0.005)
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
        self.console.close()
        self.console = None
        modes = termios.tcgetattr(fd)
        modes[1] |= termios.OPOST | termios.ONLCR
        termios.tcsetattr(fd, termios.TCSANOW, modes)
        self.size(int(self.one(b"rows", b"0")), int(self.one(b"columns", b"0")), fd)
        os.set_blocking(fd, False)
        self.outputs[1] = self.stdin = fd

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

    def say_exited(self, session: Session) -> None:
        if session.hello:
            session.say(0x85, bytes((self.code,)))
        else:
            session.say(0x82, b"the process has ended")
        session.closing = True

    def drain(self) -> None:
        """Give out what the pipes hold."""
        for stream, fd in list(self.outputs.items()):
            data = self.held(fd) if stream == 1 or self.pid else b""
            for at in range(0, len(data), PIECE):
                self.output(stream, data[at:at + PIECE])
        self.flowing = False

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

    # -- the loop

    def turn(self, seconds: float | None = None) -> None:
        """Wait for whatever is next, and do it."""
        self.held_up = any(s.foreground and s.queued > (LOW if self.held_up else HIGH) for s in self.sessions)
        reading = self.flowing and not self.held_up
        poll = select.poll()
        what: dict[int, Callable[[], object]] = {WAKE: self.signalled}
        if self.watched >= 0 and len(self.words) < PIECE:
            what[self.watched] = self.runtime_said
        if self.channel is not None:
            what[self.channel.fileno()] = self.hear
        if self.listener is not None:
            what[self.listener.fileno()] = self.accept
        if self.console is not None:
            what[self.console.fileno()] = self.master
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
        for number in os.read(WAKE, 4096):
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

    def read(self, fd: int) -> bytes:
        try:
            return os.read(fd, PIECE)
        except OSError:
            return b""

    def held(self, fd: int) -> bytes:
        """What a pipe or terminal holds now; others may go on writing."""
        size = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
        if self.on(b"terminal"):
            size = PIECE  # what is on its way through the line discipline is not counted
        data = b""
        while len(data) < size:
            more = self.read(fd)
            data += more
            if not more:
                break
        return data

    def readable(self, stream: int, fd: int) -> None:
        data = self.read(fd)
        if data:
            self.output(stream, data)
            return
        del self.outputs[stream]  # the end of it says nothing of the process
        if fd == self.stdin:
            self.stdin = -1
        os.close(fd)

    def output(self, stream: int, data: bytes) -> None:
        self.record(stream, data)
        for s in self.sessions:
            if stream not in s.streams or s.closing:
                continue
            s.say(0x82 + stream, data)
            if not s.foreground and s.queued > QUEUE:
                s.flush()
                if s.queued > QUEUE:
                    self.drop(s, "this session was dropped: it read too slowly")

    def drop(self, s: Session, why: str) -> None:
        s.queue.clear()
        s.say(0x86, why.encode())
        s.closing = True

    def record(self, stream: int, data: bytes) -> None:
        if self.log < 0:
            return
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{nanoseconds:09}Z"
        head = f"{stamp} {'stdout' if stream == 1 else 'stderr'} ".encode()
        *lines, rest = data.split(b"\n")
        text = b"".join(head + b"F " + line + b"\n" for line in lines)
        text += head + b"P " + rest + b"\n" if rest else b""
        try:
            os.write(self.log, text)
        except OSError as error:
            self.tell(b"notice", text=f"log lost: {error.strerror}")

    # -- sessions

    def accept(self) -> None:
        assert self.listener is not None
        link = self.listener.accept()[0]
        link.setblocking(False)
        uid = struct.unpack("3i", link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if uid not in (0, os.getuid()):
            link.close()
            return
        self.sessions.append(Session(link))

    def serve(self, s: Session) -> None:
        try:
            frame = s.link.recv(1 + PIECE)
        except BlockingIOError:
            return
        except OSError:
            frame = b""
        if not frame:
            self.lose(s)
            return
        kind, payload = frame[0], frame[1:]
        if not s.hello:
            if kind == 1 and len(payload) >= 2:
                self.welcome(s, payload[1])
        elif kind == 2 and s.feeds:
            s.window -= len(payload)
            if s.window < 0:
                self.drop(s, "this session was dropped: more input than its window")
                return
            self.input.append((s, payload))
        elif kind == 3 and s.feeds:
            self.input_ends = True
        elif kind == 4 and len(payload) >= 4:
            self.size(*struct.unpack("!HH", payload[:4]))
        elif kind == 5 and payload:
            self.kill(payload[0])
        elif kind == 6:
            self.lose(s, detached=True)

    def welcome(self, s: Session, flags: int) -> None:
        s.hello = True
        if sum(other.hello for other in self.sessions) > int(self.one(b"sessions", b"32")):  # those that are leaving, too
            s.say(0x82, b"too many sessions")
            s.closing = True
            return
        s.feeds = bool(flags & 1) and self.on(b"stdin") and not self.input_ends and (self.pid == 0 or self.stdin >= 0)
        s.streams = tuple(n for n in (1, 2) if flags & (2 << (n - 1)))
        s.foreground = bool(flags & 8) and not self.started and not any(o.foreground for o in self.sessions)
        s.say(0x81, struct.pack("!BBI", 1, self.on(b"terminal") | s.feeds << 1 | s.foreground << 2, WINDOW))
        if self.code >= 0:
            self.say_exited(s)

    def lose(self, s: Session, *, detached: bool = False) -> None:
        if s not in self.sessions:
            return
        s.link.close()
        self.sessions.remove(s)
        if s.feeds and not detached and self.on(b"stdin_once") and not any(o.feeds for o in self.sessions):
            self.input_ends = True

    # -- what sessions may do

    def kill(self, number: int) -> None:
        if not self.pid or not self.flowing:
            self.early_signals.append(number)
        elif self.pid not in self.reaped and 0 < number < 65:
            os.kill(self.pid, number)

    def size(self, rows: int, columns: int, fd: int = -1) -> None:
        fd = fd if fd >= 0 else self.outputs.get(1, -1)
        self.config[b"rows"], self.config[b"columns"] = [b"%d" % rows], [b"%d" % columns]
        if self.on(b"terminal") and fd >= 0 and rows and columns:
            fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def feed(self) -> None:
        while self.input:
            source, data = self.input.popleft()
            try:
                taken = os.write(self.stdin, data)
            except BlockingIOError:
                taken = 0
            except OSError:
                self.stop_input()
                return
            if taken:
                self.line_open = data[taken - 1] not in b"\r\n"
                if source in self.sessions and not source.closing:
                    source.window += taken
                    source.say(0x87, struct.pack("!I", taken))
            if taken < len(data):
                self.input.appendleft((source, data[taken:]))
                return
        if self.input_ends:
            self.stop_input()

    def stop_input(self) -> None:
        fd, self.stdin = self.stdin, -1
        self.input.clear()
        if fd < 0:
            return
        if not self.on(b"terminal"):
            os.close(fd)
        elif self.outputs.get(1) == fd and self.pid not in self.reaped:
            modes = termios.tcgetattr(fd)
            twice = self.line_open and modes[3] & termios.ICANON
            os.write(fd, modes[6][termios.VEOF] * (2 if twice else 1))


def begin(shim: type[Shim] = Shim) -> None:
    global WAKE
    if os.fork():
        os._exit(0)
    os.closerange(4, 1 << 16)
    os.setsid()
    os.chdir("/")
    os.umask(0o022)
    ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    WAKE, wake_end = os.pipe()
    for fd in (WAKE, wake_end):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
    for number in (*PASSED_ON, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    os.set_inheritable(3, False)
    shim(socket.socket(fileno=3)).run()


WAKE = -1

if __name__ == "__main__":
    begin()
    sys.exit(0)
