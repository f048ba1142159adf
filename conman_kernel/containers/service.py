"""The containers of one store: create, run, find, list."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Iterator, Sequence, TypeVar

from ..cancel import Cancel
from ..oci.runtime.options import ContainerOptions
from ..processes import boot_id
from . import rows
from .context import Context
from .paths import shim_alive
from .rows import ContainerRow
from .state import RUNNING, outward
from .streams import RunOutcome, Streams

if TYPE_CHECKING:
    from .capture import RunResult
    from .container import Container
    from .create import ImageLike
    from .execs.session import ExecSession
    from .pump import Sink, Source
    from .stats import ContainerStats

    Placed = tuple[ImageLike, str, str]
    """An image ready to start from: the image, its topmost chain id, and the storage driver that holds it."""

T = TypeVar("T")


class Containers:
    """The containers of one store. Thread-safe; makes nothing before the first call.

    :param place: given a name, an id or an image, answers with the image placed in a storage driver; the composition root's.
    :param images_of: the image ids that a name or the beginning of an id means; for ``ps --filter ancestor``.
    """

    def __init__(self, context: Context, *, place: Callable[[ImageLike | str, Cancel], Placed],
                 images_of: Callable[[str], frozenset[str]]) -> None:
        self._context = context
        self._place = place
        self._images_of = images_of
        self._reconciled = False

    @property
    def context(self) -> Context:
        """What this service works with; for the kernel's own further layers."""
        return self._context

    def create(self, image: ImageLike | str, options: ContainerOptions | None = None, *, runnable: bool = False,
               cancel: Cancel | None = None) -> Container:
        """Make a container without starting it. Without a command, and with an image that names none, it is a writable
        instance of the image all the same: to be mounted, compared, exported and committed; to start it fails.

        :param image: what :meth:`.Images.pull` returned, or the name or id of an image that is here.
        :param runnable: refuse what has nothing to run, as ``conman create`` does.
        :raises NotFound: there is no such image.
        :raises AlreadyExists: the name or the ``cidfile`` is taken.
        :raises InvalidInput, Unavailable: the options cannot work here. Nothing was made.
        """
        return self._noun(self._create(image, options or ContainerOptions(), cancel or Cancel(), to_start=False,
                                       runnable=runnable))

    def run(self, image: ImageLike | str, command: Sequence[str] | None = None, *, options: ContainerOptions | None = None,
            stdin: Source = b"", stdout: Sink = None, stderr: Sink = None, cancel: Cancel | None = None) -> RunResult:
        """Make a container, run it to its end, and return what it wrote.

        :param command: replaces ``options.command``, and the image's.
        :param options: everything else; ``remove=True`` leaves nothing behind.
        :param stdin: what it reads: bytes, a descriptor, or a file that has one.
        :param stdout: where stream 1 goes: a descriptor, a file, something with ``write``; None: into the result. ``stderr``
            likewise. Bytes between pipes never pass through this process.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: it could not be started; it is removed again.
        """
        from .capture import run_captured

        watch = cancel or Cancel()
        chosen = options or ContainerOptions()
        if command is not None:
            from .words import command_words

            chosen = chosen._replace(command=command_words(command))
        if stdin not in (b"", None):
            chosen = chosen._replace(stdin_open=True)
        row = self._create(image, chosen, watch, to_start=True)
        return self._or_removed(row, lambda: run_captured(self._context, row, stdin=stdin, stdout=stdout, stderr=stderr,
                                                          cancel=watch))

    def run_attached(self, image: ImageLike | str, options: ContainerOptions, streams: Streams, *,
                     cancel: Cancel | None = None) -> RunOutcome:
        """Make a container and run it with the caller's descriptors joined, until it ends or is detached from.

        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: it could not be started; it is removed again.
        """
        from .attached import run_attached

        watch = cancel or Cancel()
        row = self._create(image, options, watch, to_start=True)
        return self._or_removed(row, lambda: run_attached(self._context, row, streams, watch))

    def run_detached(self, image: ImageLike | str, options: ContainerOptions, *, cancel: Cancel | None = None) -> Container:
        """Make a container, start it, and leave it to its shim.

        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: it could not be started; it is removed again.
        """
        container = self._noun(self._create(image, options, cancel or Cancel(), to_start=True))
        self._or_removed(container.row, lambda: container.start(cancel=cancel))
        return container

    def run_fed(self, image: ImageLike | str, options: ContainerOptions, stdin: Source, *,
                cancel: Cancel | None = None) -> Container:
        """Make a container, start it, give it its whole input, and leave it to its shim (``run --attach stdin``).

        :param stdin: read to its end; it needs ``stdin_open`` unless it is empty bytes.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: it could not be started; it is removed again.
        """
        from .pump import feed

        watch = cancel or Cancel()
        container = self._noun(self._create(image, options, watch, to_start=True))
        session = self._or_removed(container.row, lambda: container.start_session(
            stdin=options.stdin_open, stdout=False, stderr=False, cancel=watch))
        with session:
            if session.stdin_open:
                feed(session, stdin, watch)
            session.detach()
        return container

    def get(self, name_or_id: str) -> Container:
        """A container by name, id, or the beginning of an id.

        :raises NotFound: there is none.
        :raises InvalidInput: several ids begin so.
        """
        self._settle()
        with self._context.index.read() as connection:
            return self._noun(rows.find(connection, name_or_id))

    def exec_session(self, id: str) -> ExecSession:
        """An exec session of any container, by its id or the beginning of it.

        :raises NotFound: there is none.
        :raises InvalidInput: several ids begin so.
        """
        from .execs.session import session_by_id

        self._settle()
        return session_by_id(self._context, id)

    def list(self, *, all: bool = False, filters: Sequence[tuple[str, str]] = (), last: int = 0) -> list[Container]:
        """Containers, the newest first.

        :param all: those that do not run, too. ``last`` and a ``status`` filter imply it.
        :param filters: podman's keys and values: ``ancestor before exited health id label label! name network pod restart-policy
            runtime since status storage until volume``. Values of one key are alternatives, all keys must hold; every
            ``label``, ``label!`` and ``before`` must, too.
        :param last: only the so many newest.
        :raises InvalidInput: an unknown filter.
        """
        self._settle()
        with self._context.index.read() as connection:
            found = rows.select(connection)
        boot = boot_id()
        shown = [outward(self._context, row, boot) for row in found[::-1]]
        if filters:
            from .filters import build

            test = build(filters, all_rows=found, images_of=self._images_of, networks_of=self._networks_of,
                         health_of=self._health_of)
            shown = [row for row in shown if test(row)]
        if not all and not last and not any(key == "status" for key, _ in filters):
            shown = [row for row in shown if row.state in (*RUNNING, "restarting")]
        return [self._noun(row) for row in (shown[:last] if last else shown)]

    def stats(self, containers: Sequence[str] = (), *, all: bool = False, interval: float = 1.0,
              cancel: Cancel | None = None) -> Iterator[tuple[ContainerStats, ...]]:
        """What several containers use, round by round and without an end; the first one comes at once.

        :param containers: names or ids; in each round they stand in this order, with zeros once they do not run. Empty: those
            that run when the round begins, the oldest first.
        :param all: without ``containers``: those that do not run, too.
        :param interval: seconds from one round to the next.
        :raises NotFound: there is no such container, or, in a later round, no longer.
        :raises InvalidInput: the interval is none.
        """
        from .stats import of_several

        ids = [self.get(name).id for name in containers]
        self._settle()
        return of_several(self._context, ids or None, everything=all, interval=interval, cancel=cancel or Cancel())

    def network_names(self) -> dict[str, tuple[str, ...]]:
        """The names of the networks that containers are in, running or not, by the containers' ids."""
        from ..networks.rows import of_all

        with self._context.index.read() as connection:
            return {id: tuple(one.network for one in several) for id, several in of_all(connection).items()}

    def _networks_of(self, id: str) -> frozenset[str]:
        from ..networks.rows import by_name, of_container

        with self._context.index.read() as connection:
            found = [by_name(connection, one.network) for one in of_container(connection, id)]
        return frozenset(word for row in found if row is not None for word in (row.network.name, row.network.id))

    def finish(self, id: str) -> None:
        """The clean-up command's whole work: bring an ended container (``ID``) or exec session (``ID/EXEC``) to its end; or,
        where it was the waiter of a restart before, start the container.

        Nothing happens where somebody did that already.
        """
        container, _, session = id.partition("/")
        if session:
            from .execs.ending import clean_up

            clean_up(self._context, container, session)
            return
        with self._context.index.read() as connection:
            row = rows.by_id(connection, container)
        if row is None:
            return
        with self._context.locks.acquire(row.num):
            with self._context.index.read() as connection:
                now = rows.by_id(connection, container)
            if now is None or now.state in ("created", "exited", "creating") or shim_alive(self._context, now):
                return
            if now.state == "restarting":
                from .restart import carry_out, is_waited_for

                if now.shim_pid == os.getpid() and is_waited_for(now):
                    carry_out(self._context, now, Cancel())
                return
            from .cleanup import finish, stop_leftovers

            stop_leftovers(self._context, now, Cancel(30.0))
            finish(self._context, now, Cancel())

    def _health_of(self, row: ContainerRow) -> str:
        if row.parsed_options().health is None:
            return "none"
        from .health import read

        found = read(self._context, row)
        return "none" if found is None else found.status

    def health_changed(self, id: str, status: str) -> None:
        """The shim's word that a container's health is another now: told to the event sinks, and acted upon. One that is gone
        is no error."""
        with self._context.index.read() as connection:
            row = rows.by_id(connection, id)
        if row is not None:
            from .health import changed

            changed(self._context, row, status)

    def _create(self, image: ImageLike | str, options: ContainerOptions, cancel: Cancel, *, to_start: bool,
                runnable: bool = True) -> ContainerRow:
        from .create import create

        self._settle()
        placed, chain_id, storage = self._place(image, cancel)
        return create(self._context, placed, chain_id, options, storage=storage,
                      runtime=self._context.config.text("runtime.name"), to_start=to_start, cancel=cancel, runnable=runnable)

    def _or_removed(self, row: ContainerRow, work: Callable[[], T]) -> T:
        """Do the work; a container that never started because of a failure goes again, for nobody could use it."""
        try:
            return work()
        except BaseException:
            from .cleanup import remove_unstarted

            remove_unstarted(self._context, row)
            raise

    def _noun(self, row: ContainerRow) -> Container:
        from .container import Container

        return Container(self._context, row)

    def _settle(self) -> None:
        """Clear what a killed command has left, once per process."""
        if not self._reconciled:
            self._reconciled = True
            from .reconcile import reconcile

            reconcile(self._context)
