"""One container, as callers hold it: its record when it was read, and everything that can be done with it."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Iterator, Mapping, Sequence

from ..cancel import Cancel
from ..errors import InvalidInput, InvalidState, NotFound, PluginNotInstalled
from .described import Described
from .rows import by_id
from .state import is_running, refreshed
from .streams import RunOutcome, Streams
from .telling import tell

if TYPE_CHECKING:
    from ..oci.recipe import Format
    from ..worker.jobs import Change, PackResult
    from .capture import RunResult
    from .execs.options import ExecOptions
    from .execs.session import ExecSession
    from .instance import MountPoint
    from .logs import LogEntry, LogReader
    from .pump import Sink, Source
    from .session import SocketSession as Session
    from .writable import NewImage

EXIT_IN_USE = 2
"""podman's exit code for removing what is still in use."""


class Container(Described):
    """One container. Properties are as of when it was read; :meth:`refresh` reads again. Methods may be called from
    any thread, and whatever else is going on with the container: they take its lock."""

    __slots__ = ()

    def refresh(self) -> Container:
        """Read the record again.

        :returns: itself.
        :raises NotFound: it is gone.
        """
        self._row = refreshed(self._context, self.id)
        return self

    def start(self, *, cancel: Cancel | None = None) -> None:
        """Start it and return once its process runs; one that runs already is left as it is.

        :raises NotFound: it was removed meanwhile.
        :raises InvalidState: its state does not allow it.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused; the container is as before.
        """
        from .start import release, start

        started = start(self._context, self._row, cancel=cancel or Cancel())
        if started is not None:
            self._row = started.row
            release(started)

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

    def kill(self, signal: int = 9, *, cancel: Cancel | None = None) -> None:
        """Send a signal to its main process.

        :raises InvalidState: it does not run.
        """
        from . import stop
        from .session import check_signal

        check_signal(signal)
        stop.kill(self._context, self._row, signal, cancel or Cancel())

    def stop(self, *, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """End it: its stop signal, ``timeout`` seconds, SIGKILL. Returns once it is cleaned up. Not running is no error."""
        from . import stop

        stop.stop(self._context, self._row, timeout=timeout, cancel=cancel or Cancel())

    def wait(self, *, cancel: Cancel | None = None) -> int:
        """Wait until it is over.

        :returns: its exit code.
        :raises ShimLost: nobody saw how it ended.
        """
        from . import stop

        return stop.wait(self._context, self._row, cancel or Cancel())

    def watch(self) -> int:
        """A descriptor that becomes readable once it is over, for event loops; the caller closes it. Then :meth:`wait` answers at
        once, or nearly so.

        :returns: -1 where it does not run.
        :raises NotFound: it is gone.
        """
        from . import stop

        return stop.end_descriptor(refreshed(self._context, self.id))

    def remove(self, *, force: bool = False, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """Remove it with its file system and log.

        :param force: stop it first, with ``timeout`` as in :meth:`stop`.
        :raises InvalidState: it runs, and ``force`` is not given.
        """
        from . import stop
        from .cleanup import finish, remove, stop_leftovers

        watch = cancel or Cancel()
        if force:
            try:
                stop.stop(self._context, self._row, timeout=timeout, cancel=watch)
            except PluginNotInstalled:  # nobody can pass its stop signal on; a NotFound, too
                stop.stop(self._context, self._row, timeout=0, cancel=watch)
            except NotFound:
                return  # somebody was faster
        with self._context.locks.acquire(self._row.num, watch):
            with self._context.index.read() as connection:
                row = by_id(connection, self.id)
            if row is None:
                return  # --rm was faster
            if is_running(self._context, row):
                error = InvalidState(f"cannot remove container {self.id} as it is {row.state} - running or paused containers "
                                     "cannot be removed without force: container state improper",
                                     hint=f"conman stop {self.name}, or conman rm --force {self.name}")
                error.exit_code = EXIT_IN_USE
                raise error
            if row.state not in ("created", "exited") or force:
                stop_leftovers(self._context, row, watch)
            if row.state not in ("created", "exited"):
                # It has ended just now: those who wait for it are to hear how.
                row = finish(self._context, row, watch)
                if row.state == "removing":
                    return
            remove(self._context, row, watch)

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

    def mount(self, *, cancel: Cancel | None = None) -> MountPoint:
        """Show its root file system on the host, to be read and written, until :meth:`unmount`; each call counts.

        :returns: the mount point, a string; as a context manager (``with container.mount() as path:``) it is given back at the
            end of the block.
        """
        from . import rootfs
        from .instance import mount_point

        watch = cancel or Cancel()
        with self._context.locks.acquire(self._row.num, watch):
            path = rootfs.hold(self._context, refreshed(self._context, self.id), watch)
        return mount_point(path, self._context, self._row)

    def unmount(self, *, force: bool = False, cancel: Cancel | None = None) -> bool:
        """Give one :meth:`mount` back, all with ``force``.

        :returns: whether it was mounted so.
        """
        from . import rootfs

        with self._context.locks.acquire(self._row.num, cancel or Cancel()):
            held = rootfs.let_go(self._context, refreshed(self._context, self.id), force=force)
        if held:
            tell(self._context, self._row, "unmount")
        return held

    @property
    def mount_point(self) -> str:
        """Where :meth:`mount` shows it; empty where it is not mounted for anybody outside."""
        from . import rootfs

        return rootfs.path(self._context, self._row) if rootfs.is_held(self._context, self._row) else ""

    def diff(self, *, cancel: Cancel | None = None) -> tuple[Change, ...]:
        """What it changed of its image, in the order of the paths; the mount points and files that every start makes
        (``/dev``, ``/etc/hosts`` and the like) are left out, as podman does.

        :returns: records with a ``kind``, ``A`` added, ``C`` changed or ``D`` deleted, and a ``path``.
        :raises NotFound: it is gone.
        """
        from . import instance
        return instance.diff(self._context, self._row, cancel or Cancel())

    def commit(self, name: str = "", *, author: str = "", message: str = "", changes: Sequence[str] = (), pause: bool = True,
               format: Format = "oci", include_volumes: bool = False, squash: bool = False,
               cancel: Cancel | None = None) -> NewImage:
        """Make an image of it as it is now: its image's layers, and one with what it changed.

        :param name: ``[domain/]path[:tag]``, a short one below ``localhost``; empty: the image has no name.
        :param message: the comment of this step in the image's history.
        :param changes: instructions such as ``CMD ["sh"]``, ``ENV A=b``, see :mod:`conman_kernel.oci.instructions`. Before them
            come its own command, environment, user, working folder and labels, where it was made with any.
        :param pause: its processes do not run while it is read, where its runtime can pause.
        :param format: of the manifest.
        :param include_volumes: what is bound into it becomes the image's ``VOLUME``.
        :param squash: one layer with everything, on top of nothing.
        :returns: the image, a :class:`~conman_kernel.images.image.Image`. Another commit of an unchanged container gives the
            same layer.
        :raises InvalidInput: the name or a change is none, or it has an entry that no layer can hold.
        :raises NotFound: it, or the image it was made from, is gone.
        :raises Unavailable: no space is left. After any error nothing is left of the image.
        """
        from . import instance

        return instance.commit(
            self._context, self._row, name, author=author, message=message, changes=changes, pause=pause, format=format,
            include_volumes=include_volumes, squash=squash, cancel=cancel or Cancel())

    def export(self, to: str | int | IO[bytes], *, cancel: Cancel | None = None) -> PackResult:
        """Write its root file system as a tar, without what is mounted inside while it runs.

        :param to: a path, where the file appears whole or not at all; a descriptor; or a file that has one.
        :returns: digest and size of the tar among others.
        :raises Unavailable: it cannot be written.
        """
        from . import instance

        return instance.export(self._context, self._row, to, cancel or Cancel())

    def inspect(self) -> dict[str, object]:
        """Everything about it, under podman's keys (``podman inspect``); JSON-ready."""
        from .inspect import inspect_document

        return inspect_document(self._context, self._now())
