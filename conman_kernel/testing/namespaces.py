"""Network namespaces for tests: made, entered, looked at, and gone with the last descriptor. Root only.

::

    with Namespace() as host, host.entered():
        ...                                    # this thread, and whatever it starts, has interfaces and rules of its own
        with Namespace() as other:
            listener = other.call(lambda: socket.create_server(("", 80)))   # a socket belongs to where it was made

Sources: network_namespaces(7), setns(2).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Iterator, TypeVar

if TYPE_CHECKING:
    from types import TracebackType

_NEWNET = 0x40000000
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
T = TypeVar("T")


class Namespace:
    """A network namespace whose loopback interface is up, held by a descriptor."""

    def __init__(self) -> None:
        """:raises OSError: the kernel refuses: not root, most often."""
        self._fd = _in_thread(_made)

    @property
    def path(self) -> str:
        """Where any process finds it, as long as it is not closed and this process lives."""
        return f"/proc/{os.getpid()}/fd/{self._fd}"

    def call(self, action: Callable[[], T]) -> T:
        """Call something in there, by a thread of its own; its answer, or what it raises."""
        def enter() -> T:
            _enter(self._fd)
            return action()

        return _in_thread(enter)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is in there for the block, and so is what it starts. Where that is a program's main thread,
        ``/proc/net`` of the whole program shows it."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(self._fd)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(before)

    def tool(self, *argv: str) -> str:
        """Run a program in there, such as ``ip``; what it prints. :raises AssertionError: it fails."""
        return self.call(lambda: tool(*argv))

    def close(self) -> None:
        """Let go of it. It ends with the last socket and process in it."""
        os.close(self._fd)

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def tool(*argv: str) -> str:
    """Run a program where the calling thread is; what it prints.

    :raises AssertionError: it fails. :raises FileNotFoundError: it is not installed.
    """
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env={"PATH": _SEARCH})
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr or done.stdout}"
    return done.stdout


def _made() -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    _must(libc.unshare(_NEWNET))
    tool("ip", "link", "set", "lo", "up")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(fd: int) -> None:
    _must(ctypes.CDLL(None, use_errno=True).setns(fd, _NEWNET))


def _must(failed: int) -> None:
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _in_thread(action: Callable[[], T]) -> T:
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(action())
        except BaseException as error:  # noqa: BLE001 (the caller's)
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]
