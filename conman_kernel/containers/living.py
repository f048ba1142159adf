"""A container's life, as callers steer it: start, signals, end, removal."""

from __future__ import annotations

from ..cancel import Cancel
from .described import Described
from .state import refreshed


class Living(Described):
    """What changes whether a container runs, and whether it is there at all."""

    __slots__ = ()

    def start(self, *, cancel: Cancel | None = None) -> None:
        """Start it and return once its process runs; one that runs already is left as it is.

        :raises NotFound: it was removed meanwhile.
        :raises InvalidState: its state does not allow it.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused; the container is as before.
        """
        from . import initialized
        from .start import release, start

        watch = cancel or Cancel()
        early = initialized.go_on(self._context, self._row, watch)
        if early is not None:
            self._row = early[0]
            return
        started = start(self._context, self._row, cancel=watch)
        if started is not None:
            self._row = started.row
            release(started)

    def init(self, *, cancel: Cancel | None = None) -> None:
        """Create it at its runtime without starting it: its state is ``initialized``, its file system is mounted, its process is
        there and waits for :meth:`start`.

        :raises InvalidState: that was done already, or it runs.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: the runtime refused; the container is as before.
        """
        from .initialized import init

        self._row = init(self._context, self._row, cancel or Cancel())

    def restart(self, *, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """End it as :meth:`stop` does, where it runs, and start it. One with ``remove=True`` stays for that.

        :raises InvalidState: it is paused, or being removed.
        :raises CommandNotFound, CommandNotExecutable, RuntimeFailed: it was stopped, and the runtime refused to start it again.
        """
        from .again import restart

        self._row = restart(self._context, self._row, timeout=timeout, cancel=cancel or Cancel())

    def pause(self, *, cancel: Cancel | None = None) -> None:
        """Have none of its processes run until :meth:`unpause`.

        :raises InvalidState: it does not run, or is paused already.
        :raises Unavailable: its runtime cannot pause.
        :raises RuntimeFailed: the runtime refused; it runs on.
        """
        from .pausing import pause

        pause(self._context, self._row, cancel or Cancel())
        self._row = refreshed(self._context, self.id)

    def unpause(self, *, cancel: Cancel | None = None) -> None:
        """Let its processes run on.

        :raises InvalidState: it is not paused.
        :raises RuntimeFailed: the runtime refused; it is still paused.
        """
        from .pausing import unpause

        unpause(self._context, self._row, cancel or Cancel())
        self._row = refreshed(self._context, self.id)

    def rename(self, name: str, *, cancel: Cancel | None = None) -> None:
        """Give it another name, whatever it does meanwhile; its own is no error.

        :raises InvalidInput: no container can be called so.
        :raises AlreadyExists: another one is.
        """
        from .rename import rename

        self._row = rename(self._context, self._row, name, cancel or Cancel())

    def update(self, *, memory: int | None = None, memory_swap: int | None = None, memory_reservation: int | None = None,
               cpus: float | None = None, cpu_shares: int | None = None, cpuset_cpus: str | None = None,
               cpuset_mems: str | None = None, pids_limit: int | None = None, restart: str | None = None,
               cancel: Cancel | None = None) -> None:
        """Change its limits, now where it runs and for every start to come; each as in :class:`.ContainerOptions`, None as it is.

        :param restart: its policy: ``no``, ``on-failure[:N]``, ``always`` or ``unless-stopped``; from its next end on.
        :raises InvalidInput, Unavailable: limits that contradict each other, or that this host or its runtime cannot give.
        :raises InvalidState: the memory limit is below what it uses.
        :raises RuntimeFailed: the runtime refused. After any error the container is as before.
        """
        from .limits import update
        from .restart import parse_policy, set_policy

        watch = cancel or Cancel()
        policy = None if restart is None else parse_policy(restart)
        asked = {"memory": memory, "memory_swap": memory_swap, "memory_reservation": memory_reservation, "cpus": cpus,
                 "cpu_shares": cpu_shares, "cpuset_cpus": cpuset_cpus, "cpuset_mems": cpuset_mems, "pids_limit": pids_limit}
        self._row = update(self._context, self._row, {key: value for key, value in asked.items() if value is not None},
                           watch)
        if policy is not None:
            self._row = set_policy(self._context, self._row, *policy, watch)
        self._options = None

    def kill(self, signal: int = 9, *, cancel: Cancel | None = None) -> None:
        """Send a signal to its main process.

        :raises InvalidState: it does not run.
        """
        from . import stop
        from .session import check_signal

        check_signal(signal)
        stop.kill(self._context, self._row, signal, cancel or Cancel())

    def stop(self, *, timeout: int | None = None, cancel: Cancel | None = None) -> None:
        """End it: its stop signal, ``timeout`` seconds, SIGKILL. Returns once it is cleaned up. Not running is no error.

        :raises InvalidState: it is paused.
        """
        from . import stop

        stop.stop(self._context, self._row, timeout=timeout, cancel=cancel or Cancel())

    def wait(self, *, cancel: Cancel | None = None) -> int:
        """Wait until it is over.

        :returns: its exit code.
        :raises ShimLost: nobody saw how it ended.
        """
        from . import stop

        return stop.wait(self._context, self._row, cancel or Cancel())

    def wait_for(self, *conditions: str, cancel: Cancel | None = None) -> int:
        """Wait until it is in one of several states.

        :param conditions: ``created initialized running paused restarting exited removing``, podman's ``configured`` and
            ``stopped``, ``healthy`` and ``unhealthy``, or docker's ``removed``: until it is not there any more.
        :returns: its exit code; -1 where it has none then.
        :raises InvalidInput: there is no such state.
        :raises NotFound: it is gone, and that is not waited for.
        """
        from .conditions import wait_for

        return wait_for(self._context, self._row, conditions or ("exited",), cancel or Cancel())

    def healthcheck(self, *, cancel: Cancel | None = None) -> bool:
        """Check its health now; a check that is under way is waited for. It counts as any other.

        :returns: whether it is healthy by this check; :attr:`health` has what it said, and what it makes of the status.
        :raises InvalidState: it has no check, does not run, or is paused.
        """
        from .health import check_now

        return check_now(self._context, refreshed(self._context, self.id), cancel or Cancel())

    def watch(self) -> int:
        """A descriptor that becomes readable once it is over, for event loops; the caller closes it. Then :meth:`wait` answers at
        once, or nearly so.

        :returns: -1 where it does not run.
        :raises NotFound: it is gone.
        """
        from . import stop

        return stop.end_descriptor(refreshed(self._context, self.id))

    def remove(self, *, force: bool = False, timeout: int | None = None, volumes: bool = False,
               cancel: Cancel | None = None) -> None:
        """Remove it with its file system and log.

        :param force: stop it first, with ``timeout`` as in :meth:`stop`; one that is paused is killed.
        :param volumes: its anonymous volumes go, too, unless another container has them; they do where it was made with
            ``remove``.
        :raises InvalidState: it runs, and ``force`` is not given.
        """
        from .removal import remove

        remove(self._context, self._row, force=force, timeout=timeout, volumes=volumes,
               cancel=cancel or Cancel())
