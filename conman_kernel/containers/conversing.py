"""A container's process and those beside it, as callers talk with them: sessions, exec, logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Mapping, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput
from .described import Described
from .state import refreshed
from .streams import RunOutcome, Streams

if TYPE_CHECKING:
    from .capture import RunResult
    from .execs.options import ExecOptions
    from .execs.session import ExecSession
    from .logs import LogEntry, LogReader
    from .pump import Sink, Source
    from .session import SocketSession as Session


class Conversing(Described):
    """What goes to a container's processes, and what comes from them."""

    __slots__ = ()

    def start_attached(self, streams: Streams, *, cancel: Cancel | None = None) -> RunOutcome:
        """Start it with the caller's descriptors joined before its first byte, and stay until it ends or is detached from.

        :raises InvalidState: it runs already.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused; the container is as before.
        :raises OSError: the output is not taken any more; with ``remove=True`` the container is gone, else it goes on.
        :raises ShimLost: the connection broke and nobody saw how the container ended.
        """
        from . import attached

        return attached.run_attached(self._context, self._row, streams, cancel or Cancel())

    def join(self, streams: Streams, *, cancel: Cancel | None = None) -> RunOutcome:
        """Join a person's terminal or pipes to its running process, through the attach plugin, until it ends or they detach.

        :raises InvalidState: it does not run, or has as many sessions as it may have.
        :raises OSError: the output is not taken any more; the container goes on.
        :raises ShimLost: the connection broke, or this caller was too slow and was dropped.
        """
        from . import joining

        return joining.join_person(self._context, refreshed(self._context, self.id), streams, cancel or Cancel())

    def attach(self, *, stdin: Source = None, stdout: Sink = None, stderr: Sink = None,
               cancel: Cancel | None = None) -> RunOutcome:
        """Join a program's sources and sinks to its running process, until that ends. Nothing is replayed.

        :param stdin: bytes, a descriptor, or a file that has one; at its end the process's input is closed.
        :param stdout: a descriptor, a file, or something with ``write``; None: stream 1 is not asked for. ``stderr`` likewise.
        :raises InvalidState: it does not run, or has as many sessions as it may have.
        :raises InvalidInput: it has no open standard input.
        :raises OSError: a source or a sink failed; the container goes on.
        :raises ShimLost: the connection broke, or ``write`` was so slow that the session was dropped.
        """
        from . import joining

        return joining.join_program(self._context, refreshed(self._context, self.id), stdin=stdin, stdout=stdout, stderr=stderr,
                                    cancel=cancel or Cancel())

    def session(self, *, stdin: bool = False, stdout: bool = True, stderr: bool = True, cancel: Cancel | None = None) -> Session:
        """A session with its running process, to be driven by the caller (a server, an event loop) and closed: a context manager.
        It misses what was said before, and never holds the container up: one that leaves too much lying is dropped.

        :param stdin: feed its input. ``stdout`` and ``stderr``: get stream 1 and 2.
        :raises InvalidInput: ``stdin``, and it has no open standard input.
        :raises InvalidState: it does not run, or has as many sessions as it may have.
        :raises NotFound: it has just ended.
        :raises ShimLost: the shim is gone in the middle of it.
        """
        from . import joining

        self._input_wanted(stdin)
        return joining.session_of(self._context, refreshed(self._context, self.id), stdin=stdin, stdout=stdout, stderr=stderr,
                                  cancel=cancel or Cancel())

    def start_session(self, *, stdin: bool = False, stdout: bool = True, stderr: bool = True, foreground: bool = True,
                      size: tuple[int, int] = (0, 0), cancel: Cancel | None = None) -> Session:
        """Start it with a session joined before its first byte.

        :param foreground: where the caller is slow the container waits; else the session is dropped.
        :param size: rows and columns of its terminal; zeros leave them to the runtime.
        :raises InvalidState: it runs already.
        """
        from . import joining

        self._input_wanted(stdin)
        return joining.start_session(self._context, self._row, stdin=stdin, stdout=stdout, stderr=stderr, foreground=foreground,
                                     size=size, cancel=cancel or Cancel())

    def _input_wanted(self, wanted: bool) -> None:
        if wanted and not self.options.stdin_open:
            raise InvalidInput(f"container {self.name} has no open standard input", hint="make it with stdin_open=True")

    def resize(self, *, rows: int, columns: int, cancel: Cancel | None = None) -> None:
        """Set the size of its terminal, in characters.

        :raises InvalidState: it does not run, or has no terminal.
        """
        from . import joining

        joining.resize(self._context, refreshed(self._context, self.id), rows=rows, columns=columns, cancel=cancel or Cancel())

    def exec(self, command: Sequence[str] | ExecOptions, *, stdin: Source = None, stdout: Sink = None, stderr: Sink = None,
             env: Mapping[str, str] | None = None, user: str = "", workdir: str = "", terminal: bool = False,
             privileged: bool = False, cancel: Cancel | None = None) -> RunResult:
        """Run another command in it to its end, and return what that wrote. It leaves no exec session.

        :param command: the command line, or all of the options; then nothing else of them may be given.
        :param stdin: what it reads: bytes, a descriptor, or a file that has one.
        :param stdout: where stream 1 goes: a descriptor, a file, something with ``write``; None: into the result. ``stderr``
            likewise.
        :raises InvalidState: the container does not run.
        :raises NotFound: there is no such user.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused.
        :raises OSError: a source or a sink failed; the command was killed, as it is where ``cancel`` fires.
        :raises ShimLost: nobody saw how it ended.
        """
        from .execs.foreground import run_captured
        from .execs.options import ExecOptions
        from .words import command_words

        if isinstance(command, ExecOptions):
            if env or user or workdir or terminal or privileged:
                raise InvalidInput("an ExecOptions says everything: give env, user and the like there")
            options = command
        else:
            options = ExecOptions(command=command_words(command), env=tuple((env or {}).items()), user=user, workdir=workdir,
                                  terminal=terminal, privileged=privileged)
        if stdin not in (b"", None):
            options = options._replace(stdin_open=True)
        return run_captured(self._context, self._row, options, stdin=stdin, stdout=stdout, stderr=stderr,
                            cancel=cancel or Cancel())

    def exec_attached(self, options: ExecOptions, streams: Streams, *, cancel: Cancel | None = None) -> RunOutcome:
        """Run another command in it with a person's terminal or pipes joined, until it ends or they detach. Unless detached
        from, it leaves no exec session.

        :raises InvalidState: the container does not run.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused.
        :raises OSError: the output is not taken any more; the process goes on without this caller.
        :raises ShimLost: nobody saw how it ended.
        """
        from .execs.foreground import run_attached

        return run_attached(self._context, self._row, options, streams, cancel or Cancel())

    def exec_detached(self, options: ExecOptions, *, cancel: Cancel | None = None) -> ExecSession:
        """Start another command in it and leave that to its shim. Errors as :meth:`exec`; then no exec session is left."""
        from .execs import start as starting
        from .execs.session import session_by_id

        watch = cancel or Cancel()
        launched = starting.begin_new(self._context, self._row, options, (0, 0), detached=True, cancel=watch)
        starting.start_detached(self._context, launched, keep=False, cancel=watch)
        return session_by_id(self._context, launched.id)

    def create_exec(self, options: ExecOptions, *, cancel: Cancel | None = None) -> ExecSession:
        """Make an exec session of which nothing runs yet.

        :raises InvalidState: it does not run.
        """
        from .execs import start as starting
        from .execs.session import ExecSession
        from .words import command_words

        command_words(options.command)
        return ExecSession(self._context, starting.make(self._context, self._row, options, cancel or Cancel()))

    def execs(self) -> list[ExecSession]:
        """Its exec sessions, the oldest first: those to come, those that run, those that have ended."""
        from .execs.session import sessions_of

        return sessions_of(self._context, self.id)

    def logs(self, *, follow: bool = False, tail: int | None = None, since: float | str | None = None,
             until: float | str | None = None, stdout: bool = True, stderr: bool = True,
             cancel: Cancel | None = None) -> Iterator[LogEntry]:
        """Its output so far, oldest first.

        :param follow: go on until it ends; of one that does not run there is nothing to wait for.
        :param tail: only the last so many lines of the chosen streams, up to ``until``.
        :param since: nothing before: seconds since the epoch, or a :attr:`.LogEntry.time`, which is exact.
        :param until: nothing after; following stops when that time has come.
        :raises InvalidState: it keeps no log.
        :raises InvalidInput: a time that is none.
        """
        from .logs import entries

        return entries(self.log_reader(follow=follow, tail=tail, since=since, until=until, stdout=stdout, stderr=stderr,
                                       cancel=cancel))

    def log_reader(self, *, follow: bool = False, tail: int | None = None, since: float | str | None = None,
                   until: float | str | None = None, stdout: bool = True, stderr: bool = True,
                   cancel: Cancel | None = None) -> LogReader:
        """As :meth:`logs`, for a loop that waits for several things, or that wants much at once; to be closed."""
        from .logs_of import log_reader

        return log_reader(self._context, self._row, follow=follow, tail=tail, since=since, until=until, stdout=stdout,
                          stderr=stderr, cancel=cancel or Cancel())
