"""The slot ``conman.attach``: the person's side of a container's standard streams.

The kernel owns the session: it connects, frames, half-closes and learns the outcome. An attach plugin is handed a
*connected* session (never a socket path) and the caller's descriptors, and carries bytes, window sizes and signals
between the two: raw mode, resize, detach keys, end of input. It says *how* it ended.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from ..cancel import Cancel
from ..record import Record

API = 1
"""The version of this slot. A plugin writes in its provider the number that it was written for, never this name."""


class Outcome(Enum):
    """How a session ended, as the attach plugin saw it. The exit code is the kernel's affair."""

    EXITED = "exited"
    """All output was delivered and the shim said that the process ended."""

    DETACHED = "detached"
    """The person typed the detach keys; the process lives on."""

    LOST = "lost"
    """The connection broke: the shim is gone, or dropped this session for being too slow."""


class Output(Record):
    """One piece of output: stream 1 or 2 (on a terminal all is 1), 1 byte to 64 KiB."""

    stream: int
    data: bytes


class End(Record):
    """The last thing a session says: all output was delivered (``exited``), or why it was lost."""

    outcome: Outcome
    message: str = ""


class Session(Protocol):
    """A connected session of one container or exec, owned by the kernel. Used by one thread at a time, except
    that :meth:`resize` and :meth:`signal` may come from another."""

    @property
    def terminal(self) -> bool:
        """The process has a terminal: one merged output, resizable."""
        ...

    @property
    def stdin_open(self) -> bool:
        """The process was made with an open standard input, and this session may feed it."""
        ...

    def fileno(self) -> int:
        """Readable when :meth:`receive` has something.

        Of a process that was started for this session nothing flows before this or :meth:`receive` is first called. So signal
        handlers are set up before that.
        """
        ...

    def receive(self) -> Output | End | None:
        """The next piece of output, or the end (again and again after it), or None: nothing now. Never blocks.

        :raises OSError: a descriptor that was handed over (see :attr:`Attach.direct`) takes nothing more: its reader is gone
            (BrokenPipeError). Let it pass on to the kernel.
        """
        ...

    def send(self, data: bytes) -> int:
        """Offer bytes to the process's standard input. Never blocks.

        :returns: how many bytes were taken; 0 when the process reads too slowly (wait on :meth:`writable_fileno`).
        """
        ...

    def writable_fileno(self) -> int:
        """Writable (POLLOUT) when :meth:`send` will take something."""
        ...

    def close_stdin(self) -> None:
        """Half-close: the process sees the end of its input after all that was sent. May be called twice."""
        ...

    def resize(self, *, rows: int, columns: int) -> None:
        """Set the terminal's size. Without a terminal nothing happens."""
        ...

    def signal(self, number: int) -> None:
        """Send a signal to the container's process."""
        ...


class AttachRequest(Record):
    """Whose streams are joined.

    :param session: connected; the kernel closes it afterwards.
    :param stdin: descriptor to read from, or -1: there is none, or the shim has it (:attr:`Attach.direct`).
    :param stdout: descriptor for stream 1, or -1 to discard (nothing comes of a stream that the shim carries).
    :param stderr: descriptor for stream 2, or -1 likewise.
    :param container: the container's id; ``name``: its name.
    :param command: the command line of the process, for titles and the like.
    :param detach_keys: the bytes that detach when typed on a terminal; empty: never.
    :param forward_signals: signals that the calling process gets are passed on (``--sig-proxy``) while it has no
        raw terminal.
    :param cancel: deadline and cancel token.
    """

    session: Session
    stdin: int
    stdout: int
    stderr: int
    detach_keys: bytes
    forward_signals: bool
    cancel: Cancel
    container: str = ""
    name: str = ""
    command: tuple[str, ...] = ()


class Attach(Protocol):
    """The person's side. See the module."""

    @property
    def direct(self) -> bool:
        """This plugin need not see the bytes that go through pipes: where the caller's descriptors are pipes and the process
        has no terminal, the kernel may hand them to the shim, which moves the bytes itself (several times faster). A plugin
        that looks at the bytes says False."""
        ...

    def run(self, request: AttachRequest) -> End:
        """Carry bytes until the session ends or the person detaches.

        A terminal's mode is restored before this returns or raises, whatever happens. At the end of ``stdin`` the
        session's input is half-closed.

        :raises OSError: ``stdout`` or ``stderr`` takes nothing more: nobody reads (BrokenPipeError; ``run ... | head -1`` has to
            end), a full disk.

        :raises Cancelled: the token fired.
        :raises DeadlineExceeded: its deadline passed.
        """
        ...
