"""Starting the runtime's create command with the container's standard streams."""

from __future__ import annotations

import os

from .config import Config

TYPE_CHECKING = False  # typing itself would cost 1 MB of memory a container
if TYPE_CHECKING:
    import signal as _signal
else:
    import _signal

_PR_SET_CHILD_SUBREAPER = 36
_F_SETPIPE_SZ = 1031
_PIPE_SIZE = 1024 * 1024
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 1024 * 1024


class Standard:
    """Our ends of the process's standard streams; -1 where there is none.

    ``stdin`` is written, ``stdout`` and ``stderr`` are read, all non-blocking. With a terminal ``stdout`` and ``stdin``
    come later, over the console socket, and ``stderr`` is the runtime's own.
    """

    def __init__(self) -> None:
        self.stdin = -1
        self.stdout = -1
        self.stderr = -1


def prepare() -> None:
    """What takes a millisecond and needs no configuration, done while that is still on its way."""
    import fcntl  # noqa: F401
    _keep_memory()
    try:
        become_subreaper()
    except OSError:
        return  # it is tried again, and reported, when there is somebody to report it for


def _keep_memory() -> None:
    # Every piece of output is allocated and freed: giving the pages back and faulting them in again costs as much as the log.
    try:
        import _ctypes
        mallopt = _ctypes.dlsym(_ctypes.dlopen(None, 0), "mallopt")  # type: ignore[arg-type]
        for what in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            _ctypes.call_function(mallopt, (what, _KEPT))
    except (ImportError, AttributeError, OSError):
        return  # another C library


def become_subreaper() -> None:
    """The container's process becomes our child when the runtime's create ends.

    :raises OSError: the kernel refuses.
    """
    try:
        import _ctypes  # prctl by hand: the package ctypes costs another 0.25 MB a container
        program = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
        prctl = _ctypes.dlsym(program, "prctl")
        result = _ctypes.call_function(prctl, (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except (ImportError, AttributeError):
        import ctypes
        result = ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if result != 0:
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) failed")


def spawn_create(config: Config, argv: list[bytes]) -> tuple[int, Standard]:
    """Run the runtime's create command with the container's standard streams.

    :param argv: as configured, paths shortened.
    :returns: its pid, and our ends.
    :raises OSError: it cannot be run.
    """
    ours = Standard()
    theirs: list[int] = []

    def pipe(*, read: bool) -> tuple[int, int]:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        kept, given = (reader, writer) if read else (writer, reader)
        os.set_blocking(kept, False)
        _enlarge(kept)
        theirs.append(given)
        return kept, given

    stdin, stdout = 0, 1
    if config.stdin and not config.terminal:
        ours.stdin, stdin = pipe(read=False)
    if not config.terminal:
        ours.stdout, stdout = pipe(read=True)
    ours.stderr, stderr = pipe(read=True)
    if config.terminal:
        stdout = stderr
    actions = [(os.POSIX_SPAWN_DUP2, source, target)
               for target, source in ((2, stderr), (1, stdout), (0, stdin)) if source != target]
    try:
        pid = spawn(argv, config.env, actions)
    finally:
        for fd in theirs:
            os.close(fd)
    return pid, ours


def spawn(argv: list[bytes], env: dict[bytes, bytes] | None, actions: list[tuple[int, int, int]]) -> int:
    """posix_spawn with every signal at its default: Python's ignored SIGPIPE must not reach a container."""
    usual = [n for n in range(1, 32) if n not in (_signal.SIGKILL, _signal.SIGSTOP)]
    search = os.posix_spawn if b"/" in argv[0] else os.posix_spawnp
    environment = os.environb if env is None else env
    return search(argv[0], argv, environment, file_actions=actions, setsigmask=[], setsigdef=usual)


def _enlarge(fd: int) -> None:
    import fcntl
    try:
        fcntl.fcntl(fd, _F_SETPIPE_SZ, _PIPE_SIZE)
    except OSError:
        return  # over the user's share of pipe memory: the pipe keeps its usual size
