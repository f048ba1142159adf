"""A container's life, as callers steer it: start, signals, end, removal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from ..cancel import Cancel
from .described import Described
from .state import refreshed

if TYPE_CHECKING:
    from .stats import ContainerStats


class Living(Described):
    """What changes whether a container runs, and whether it is there at all."""

    __slots__ = ()

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

    def stats(self, *, interval: float = 1.0, cancel: Cancel | None = None) -> Iterator[ContainerStats]:
        """What it uses, from now on until it ends: the first sample comes at once.

        :param interval: seconds from one to the next.
        :raises InvalidState: it does not run.
        :raises InvalidInput: the interval is none.
        """
        from .stats import of_one

        return of_one(self._context, self._row, interval=interval, cancel=cancel or Cancel())

    def remove(self, *, force: bool = False, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """Remove it with its file system and log.

        :param force: stop it first, with ``timeout`` as in :meth:`stop`.
        :raises InvalidState: it runs, and ``force`` is not given.
        """
        from .removal import remove

        remove(self._context, self._row, force=force, timeout=timeout, cancel=cancel or Cancel())
