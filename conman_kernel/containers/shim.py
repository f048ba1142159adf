"""The kernel's end of the shim: start it, tell it what to do, hear what became of the container.

Speaks the control channel of ``shim/PROTOCOL.md`` (packets over descriptor 3 of the shim). One container::

    shim = Shim.launch(command)          # early: before anything else is known or imported
    shim.configure(ShimConfig(...))      # the runtime's create begins
    pid = shim.wait_created(cancel)      # ... `runtime start` is the caller's
    shim.started()
    shim.release()                       # detached: the shim cleans up; or
    status = shim.wait_exited(cancel)    # foreground: the caller cleans up, then says
    shim.done()
    shim.close()

Closing without :meth:`Shim.started` means "undo": the shim kills the container and runs the clean-up command. Closing
after it without :meth:`Shim.done` leaves the clean-up to the shim. The same happens when this process dies.
"""

from __future__ import annotations

import _socket  # the C half alone: the pure half pulls in enum and selectors, which the early launch would wait for
import errno
import fcntl
import os
import select
import sys

from ..cancel import Cancel
from ..errors import InvalidState, NotFound, RuntimeFailed, ShimLost, Unavailable
from ..processes import environment
from ..record import Record
from ..trace import trace
from .exitfile import ExitStatus, exit_status, pieces, read_exit_file

TYPE_CHECKING = False  # typing takes longer to load than everything else here; the launch would wait for it
if TYPE_CHECKING:
    from typing import Sequence

VERSION = 1
"""The version of the protocol that this client speaks."""

_PACKET = 64 * 1024
_LARGEST = 192 * 1024
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from conman_shim.main import main; main()"


class ShimConfig(Record):
    """What a shim is told of its container or exec session (``shim/PROTOCOL.md``, "Configuration"). Paths are absolute.

    :param id: the container's (or exec session's) id; only for messages.
    :param create: argv of the runtime's create (or detached exec), paths rendered in.
    :param pid_file: where that command writes the process's pid.
    :param exit_file: where the shim writes how it ended, see :mod:`.exitfile`.
    :param lock: the shim's own lock file, see :func:`is_alive`. Made if missing, never unlinked.
    :param socket: where the attach socket is bound; its folder exists. Any length.
    :param cleanup: argv that the shim execs once the process has ended and nobody else cleans up; empty: none.
    :param log_driver: ``cri`` (needs ``log_path``) or ``none``.
    :param log_size: bytes after which the log is rotated; 0: never. ``log_files``: how many files it has then.
    :param runtime_log: the runtime's own error log, where the kernel looks; the shim does not.
    :param terminal: the process gets one. ``console_socket``: as rendered into ``create``; of any length, the shim shortens it.
    :param stdin: the process's standard input is kept open for sessions; else it is at its end at once.
    :param stdin_once: it is closed when the first session that could feed it is gone without detaching.
    :param sessions: how many sessions there may be at once; further ones are refused.
    :param rows: initial size of the terminal; 0 leaves it to the runtime. ``columns`` likewise.
    :param cgroup: folders whose ``cgroup.procs`` gets the shim's pid; what fails is in :attr:`Shim.notices`.
    :param oom_files: ``memory.events`` / ``memory.oom_control`` of the container, read after its end.
    :param durable: the exit file is fsynced. ``env``: ``KEY=value`` of the runtime; None: the launcher's environment.
    :param health: names and values of the keys of a health check (``health``, ``health_file``, ...); empty: there is none.
    :param error_log: where the shim writes the traceback of a defect of its own; empty: nowhere.
    """

    id: str
    create: tuple[str, ...]
    pid_file: str
    exit_file: str
    lock: str
    socket: str
    cleanup: tuple[str, ...] = ()
    log_driver: str = "cri"
    log_path: str = ""
    log_size: int = 0
    log_files: int = 2
    runtime_log: str = ""
    console_socket: str = ""
    terminal: bool = False
    stdin: bool = False
    stdin_once: bool = False
    sessions: int = 32
    rows: int = 0
    columns: int = 0
    cgroup: tuple[str, ...] = ()
    oom_files: tuple[str, ...] = ()
    durable: bool = False
    env: tuple[str, ...] | None = None
    error_log: str = ""
    health: tuple[tuple[str, str], ...] = ()


class CreateFailed(RuntimeFailed):
    """The runtime's create (or exec) failed; sort it with the runtime plugin's ``exit_code``.

    :ivar runtime_exit: its exit code (128+n for a signal); -1 where it could not be run at all.
    :ivar runtime_text: what it wrote to stderr (or to the terminal's side pipe), at most 16 KiB.
    """

    def __init__(self, message: str, *, runtime_exit: int, runtime_text: str) -> None:
        super().__init__(message)
        self.runtime_exit = runtime_exit
        self.runtime_text = runtime_text


def default_shim_command() -> tuple[str, ...]:
    """The argv of the stock shim, found by looking at the folders of ``sys.path``; nothing is imported.

    :raises NotFound: the distribution ``conman-shim`` is not installed.
    """
    for folder in sys.path:
        if os.path.isfile(os.path.join(folder, "conman_shim", "main.py")):
            return (sys.executable, "-I", "-S", "-c", _BOOT, os.path.abspath(folder))
    raise NotFound("the package conman_shim is not installed",
                   hint="pip install conman-shim, or name another program in [shim] command")


def is_alive(lock_path: str) -> bool:
    """True while a shim holds its lock file. A file that does not exist is held by nobody."""
    try:
        fd = os.open(lock_path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _shown(packet: bytes) -> str:
    return packet.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")


def _config_packets(config: ShimConfig) -> list[bytes]:
    records = [b"version=%d" % VERSION]
    records += [_record(key, value) for key, value in config.health]
    for key, value in config._asdict().items():
        if value is None or key == "health":
            continue
        if isinstance(value, tuple):
            records.extend(_record(key, item) for item in value)
        elif isinstance(value, bool):
            records.append(b"%s=%d" % (key.encode(), value))
        else:
            records.append(_record(key, str(value)))
    if config.env is not None:
        records.append(b"own_env=1")
    packets: list[bytes] = []
    packet = b"config\0"
    for record in records:
        if len(record) > _LARGEST - 64:
            raise InvalidState(f"a record of {len(record)} bytes is too long for the shim")
        if len(packet) + len(record) > _PACKET and packet != b"config\0":
            packets.append(packet + b"more=1\0")
            packet = b"config\0"
        packet += record + b"\0"
    return [*packets, packet]


def _record(key: str, value: str) -> bytes:
    raw = os.fsencode(value)
    if b"\0" in raw:
        raise InvalidState(f"the shim's {key} holds a NUL byte")
    return key.encode() + b"=" + raw


class Shim:
    """One shim and the control channel to it. Make it with :meth:`launch`. Used by one thread at a time."""

    __slots__ = ("_answered", "_channel", "_child", "_configured", "_exit_file", "_process", "_status", "_what", "notices", "pid")

    def __init__(self, channel: _socket.socket, child: int) -> None:
        self._channel = channel
        self._child = child
        self._configured = False
        self._answered = False
        self._process = 0
        self._exit_file = ""
        self._status: ExitStatus | None = None
        self._what = "the container"
        self.notices: list[str] = []
        """What the shim tolerated, one line each (a cgroup that it could not enter)."""
        self.pid = 0
        """The shim's process id, once it has said so (at the latest after :meth:`wait_created`)."""

    @classmethod
    def launch(cls, command: Sequence[str] | None = None) -> Shim:
        """Start a shim that waits for its configuration. Costs a spawn; waits for nothing.

        :param command: argv of a program that speaks ``shim/PROTOCOL.md``; None: the stock one.
        :raises NotFound: it is not there.
        """
        argv = tuple(command) if command else default_shim_command()
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        high = -1
        try:
            high = fcntl.fcntl(theirs.fileno(), fcntl.F_DUPFD_CLOEXEC, 10)
            child = _spawn(argv, high)
        except FileNotFoundError as error:
            ours.close()
            raise NotFound(f"the shim {argv[0]} does not exist") from error
        except OSError as error:
            ours.close()
            raise Unavailable(f"the shim {argv[0]} cannot be started: {error.strerror}") from error
        finally:
            theirs.close()
            if high >= 0:
                os.close(high)
        return cls(ours, child)

    def fileno(self) -> int:
        """The control channel: readable when the shim has said something or is gone; -1 once closed."""
        return self._channel.fileno()

    def configure(self, config: ShimConfig, *, what: str = "", hold: Sequence[int] = ()) -> None:
        """Send the configuration, once; the shim begins to create at once.

        :param hold: descriptors that it holds open until the process has ended (sockets on published ports); the caller's stay.
        :param what: what its process is, for messages of this end; empty: the container of that id.
        :raises ShimLost: the shim is gone.
        """
        self._exit_file = config.exit_file
        self._what = what or f"container {config.id[:12]}"
        self._configured = True
        if hold:
            import array

            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", hold))]
            self._send(b"hold\0", rights)
        for packet in _config_packets(config):
            self._send(packet)

    def wait_created(self, cancel: Cancel) -> int:
        """Wait until the runtime's create is done.

        :returns: the pid of the container's main process, as this process sees it.
        :raises CreateFailed: the runtime refused.
        :raises InvalidState: another shim holds the lock.
        :raises Unavailable: the shim could not prepare (disk full, no such folder); the message says what.
        :raises ShimLost: the shim is gone.
        :raises Cancelled: as the token says (DeadlineExceeded, too); close the shim to undo.
        """
        while not self._process:
            self._heed(*self._receive(cancel))
        return self._process

    def wait_listening(self, cancel: Cancel) -> None:
        """Wait until the attach socket listens; the create is under way then, or even done. Errors as :meth:`wait_created`."""
        while not self._process:
            name, records = self._receive(cancel)
            if name == "listening":
                return
            self._heed(name, records)

    def _heed(self, name: str, records: dict[str, bytes]) -> None:
        if name == "created":
            self._answered = True
            self._process = int(records["pid"])
            self._reap()
        elif name == "error":
            self._answered = True
            raise self._refusal(records)

    def settle(self, cancel: Cancel) -> None:
        """Wait until the create is over one way or the other, to undo it: until then the shim and the runtime still make things.

        :raises Cancelled: as the token says (DeadlineExceeded, too); close the shim, and it undoes everything itself.
        """
        try:
            while self._configured and not self._answered:
                self._answered = self._receive(cancel)[0] in ("created", "error")
        except ShimLost:
            return

    def started(self) -> None:
        """Tell the shim that the runtime's start went well: from now on the container may outlive this process.

        :raises ShimLost: the shim is gone.
        """
        self._send(b"started\0")

    def release(self) -> None:
        """Leave the container to the shim for good: it waits, then runs the clean-up command.

        :raises ShimLost: the shim is gone.
        """
        self._send(b"release\0")

    def wait_exited(self, cancel: Cancel) -> ExitStatus:
        """Wait for the end of the main process. The exit file is written by then. May be called again.

        :raises ShimLost: the shim is gone and has left no exit file.
        :raises Cancelled: as the token says (DeadlineExceeded, too).
        """
        while self._status is None:
            try:
                name, records = self._receive(cancel)
            except ShimLost:
                self._status = read_exit_file(self._exit_file) if self._exit_file else None
                if self._status is None:
                    raise
                break
            if name == "exited":
                self._status = exit_status(records)
        return self._status

    def done(self) -> None:
        """Tell the shim that this process has cleaned up; it ends. A shim that is gone already is no error."""
        try:
            self._send(b"done\0")
        except ShimLost:
            pass  # its work was over: nothing is left to tell it

    def close(self) -> None:
        """Let go of the channel (see the module for what that means when). May be called twice."""
        if self._child > 0 and not self._configured and _is_our_child(self._child):
            os.kill(self._child, 9)  # it has nothing to undo
        self._channel.close()
        self._reap(seconds=1.0)

    def _send(self, packet: bytes, rights: Sequence[tuple[int, int, object]] = ()) -> None:
        trace("shim", f"{self.pid or self._child} <- {_shown(packet)}")
        try:
            self._channel.sendmsg([packet], rights, _socket.MSG_NOSIGNAL)  # type: ignore[arg-type]
        except OSError as error:
            raise ShimLost(f"{self._what}: the shim is gone ({os.strerror(error.errno or 0)})") from error

    def _receive(self, cancel: Cancel) -> tuple[str, dict[str, bytes]]:
        while True:
            cancel.wait_readable(self._channel.fileno())
            try:
                packet = self._channel.recv(_LARGEST)
            except OSError as error:
                if error.errno != errno.ECONNRESET:  # reported once, before what the peer said last
                    raise ShimLost(f"{self._what}: the shim is gone ({os.strerror(error.errno or 0)})") from error
                continue
            if not packet:
                self._reap()
                raise ShimLost(f"{self._what}: the shim is gone")
            trace("shim", f"{self.pid or self._child} -> {_shown(packet)}")
            name, _, rest = packet.partition(b"\0")
            records = pieces(rest, b"\0")
            if name == b"ready":
                self.pid = int(records["pid"])
            elif name == b"notice":
                self.notices.append(records.get("text", b"").decode("utf-8", "replace"))
            else:
                return name.decode("ascii", "replace"), records

    def _refusal(self, records: dict[str, bytes]) -> Exception:
        text = records.get("text", b"").decode("utf-8", "replace").strip()
        stage = records.get("stage", b"").decode("ascii", "replace")
        if stage == "lock":
            return InvalidState(f"{self._what}: another shim already stands beside it")
        if stage != "create":
            return Unavailable(f"{self._what}: the shim failed at {stage}: {text}")
        status = int(records.get("exit", b"-1"))
        shown = text.rsplit("\n", 1)[-1] or f"exit code {status}"
        return CreateFailed(f"{self._what}: the runtime failed: {shown}", runtime_exit=status, runtime_text=text)

    def _reap(self, seconds: float = 0.0) -> None:
        """The shim leaves its first process behind at once (PROTOCOL.md, "Start"): nothing of it stays a zombie."""
        if self._child <= 0:
            return
        try:
            if seconds:
                handle = os.pidfd_open(self._child)
                poll = select.poll()
                poll.register(handle, select.POLLIN)
                poll.poll(seconds * 1000)
                os.close(handle)
            if os.waitpid(self._child, os.WNOHANG)[0] == 0:
                return
        except (ChildProcessError, ProcessLookupError):
            pass  # the embedding program reaps everything, or ignores SIGCHLD
        self._child = 0


def _is_our_child(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False  # reaped: the embedding program reaps everything, or ignores SIGCHLD. The pid may be another's by now
    return True


def _spawn(argv: tuple[str, ...], channel: int) -> int:
    null = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0)
    actions = [null, (os.POSIX_SPAWN_DUP2, 0, 1), (os.POSIX_SPAWN_DUP2, 0, 2), (os.POSIX_SPAWN_DUP2, channel, 3)]
    usual = [n for n in range(1, 32) if n not in (9, 19)]
    search = os.posix_spawn if "/" in argv[0] else os.posix_spawnp
    return search(argv[0], argv, environment(), file_actions=actions, setsid=True, setsigmask=[], setsigdef=usual)
