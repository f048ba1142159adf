"""Runs the OCI runtime's own commands (start, state, kill, delete, ...) and turns what it says into typed errors.

``create`` and ``exec`` are not here: the shim runs them, because it must be the process's parent.
"""

from __future__ import annotations

import json
import os
from typing import Mapping

from ..cancel import Cancel
from ..errors import CommandNotExecutable, CommandNotFound, RuntimeFailed, Unavailable
from ..processes import environment
from ..record import Record
from ..slots.runtime import Runtime, RuntimeCommands, Template, render
from ..trace import trace

_OUTPUT_LIMIT = 1 << 20


class Spawned(Record):
    """A runtime command under way: its pid and the read end of its merged output."""

    pid: int
    output: int
    argv: list[str]


class RuntimeClient:
    """The command line of one runtime for the containers of one store.

    :param runtime: the plugin's object.
    :param root: the runtime's state folder; made by it.
    :param systemd_cgroup: have systemd make the cgroups.
    """

    def __init__(self, runtime: Runtime, *, root: str, systemd_cgroup: bool) -> None:
        self._runtime = runtime
        self._root = root
        self.commands: RuntimeCommands = runtime.commands(systemd_cgroup=systemd_cgroup)

    def argv(self, template: Template, id: str, **values: str) -> list[str]:
        """Render one command of the table for a container.

        :raises Unavailable: the runtime has no such command.
        """
        if not template:
            raise Unavailable(f"the runtime {self._runtime.binary} has no such command")
        return render(template, {"root": self._root, "id": id, **values})

    def has_state(self, id: str) -> bool:
        """True where the runtime still keeps something of the container (its state folder exists)."""
        return os.path.isdir(f"{self._root}/{id}")

    def spawn(self, template: Template, id: str, **values: str) -> Spawned:
        """Begin a command without waiting for it; :meth:`finish` must follow."""
        return self._spawn(self.argv(template, id, **values))

    def _spawn(self, argv: list[str], stdin: int = -1) -> Spawned:
        """:param stdin: a descriptor that it reads from; -1: there is nothing to read."""
        read, write = os.pipe2(os.O_CLOEXEC)
        nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
        actions = [nothing if stdin < 0 else (os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, write, 1),
                   (os.POSIX_SPAWN_DUP2, write, 2)]
        try:
            pid = os.posix_spawn(argv[0], argv, environment(), file_actions=actions, setsid=True)
        except OSError as error:
            os.close(read)
            raise Unavailable(f"the runtime {argv[0]} cannot be run: {error.strerror}") from None
        finally:
            os.close(write)
        trace("exec", f"{pid}: {' '.join(argv)}")
        return Spawned(pid, read, argv)

    def finish(self, spawned: Spawned, cancel: Cancel, *, log: str = "") -> bytes:
        """Wait for a command.

        :param log: the runtime's log file for this command, where it has one: its last error is what is shown.
        :returns: what it wrote.
        :raises RuntimeFailed: it failed; CommandNotFound and CommandNotExecutable where that is why.
        :raises Cancelled, DeadlineExceeded: it was killed on the caller's wish.
        """
        output = b""
        try:
            while True:
                cancel.wait_readable(spawned.output)
                data = os.read(spawned.output, 65536)
                if not data:
                    break
                if len(output) < _OUTPUT_LIMIT:
                    output += data
        except BaseException:
            try:
                os.kill(spawned.pid, 9)
            except ProcessLookupError:
                pass  # reaped by the embedding program
            raise
        finally:
            os.close(spawned.output)
            code = _exit_code(spawned.pid, log)
        trace("exec", f"{spawned.pid}: exit status {code}")
        if code != 0:
            raise self.failure(last_error(log) or output.decode("utf-8", "replace").strip() or f"exit code {code}",
                               spawned.argv)
        return output

    def call(self, template: Template, id: str, cancel: Cancel, **values: str) -> bytes:
        """Run a command and wait for it; see :meth:`finish`."""
        return self.finish(self.spawn(template, id, **values), cancel, log=values.get("log", ""))

    def update(self, id: str, resources: Mapping[str, object], cancel: Cancel, *, log: str) -> None:
        """Change the limits of a container that runs.

        :param resources: what changes of the specification's ``linux.resources``.
        :param log: a file for the runtime's words, begun anew.
        :raises Unavailable: the runtime has no such command.
        :raises RuntimeFailed: it refused.
        """
        document = os.memfd_create("resources", os.MFD_CLOEXEC)
        try:
            os.write(document, json.dumps(resources).encode())
            os.lseek(document, 0, os.SEEK_SET)
            with open(log, "wb"):
                pass
            spawned = self._spawn(self.argv(self.commands.update, id, log=log), document)
        finally:
            os.close(document)
        self.finish(spawned, cancel, log=log)

    def failure(self, text: str, argv: list[str] | None = None) -> RuntimeFailed:
        """The typed error for what the runtime said."""
        code = self._runtime.exit_code(text)
        kind = {127: CommandNotFound, 126: CommandNotExecutable}.get(code, RuntimeFailed)
        name = os.path.basename(self._runtime.binary)
        line = " ".join(text.split())
        return kind(line if line.startswith(name) else f"{name}: {line}")

    def kill(self, id: str, signal: int, cancel: Cancel) -> None:
        """Send a signal to the container's main process.

        :raises RuntimeFailed: the runtime refused, for example because it is gone.
        """
        self.call(self.commands.kill, id, cancel, signal=str(signal))

    def begin_delete(self, id: str, *, force: bool) -> Spawned | None:
        """Have the runtime forget the container and remove its cgroup, without waiting for it.

        :param force: kill what still runs first.
        :returns: for :meth:`end_delete`; None where the runtime knows nothing of the container.
        """
        if not self.has_state(id):
            return None
        return self.spawn(self.commands.force_delete if force else self.commands.delete, id)

    def end_delete(self, spawned: Spawned | None, id: str, cancel: Cancel, *, must: bool = False) -> None:
        """Wait for a delete.

        :param must: a failure that leaves the runtime's state behind is raised; else it is left to another try.
        """
        if spawned is None:
            return
        try:
            self.finish(spawned, cancel)
        except RuntimeFailed:
            if must and self.has_state(id):
                raise

    def state(self, id: str, cancel: Cancel) -> dict[str, object]:
        """The OCI state document (runtime-spec ``runtime.md``, "State").

        :raises RuntimeFailed: the runtime does not know the container.
        """
        answer = self.call(self.commands.state, id, cancel)
        try:
            document: object = json.loads(answer)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            shown = answer[:200].decode("utf-8", "replace").strip()
            raise RuntimeFailed(f"{self._runtime.binary} state answered no JSON object: {shown}")
        return document


def _exit_code(pid: int, log: str) -> int:
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except ChildProcessError:
        # The embedding program reaps everything, or ignores SIGCHLD: the runtime's log is all there is to go by.
        return 1 if last_error(log) else 0


def last_error(log: str) -> str:
    """The last error in a runtime's JSON log (``--log-format json``), or "" where there is none."""
    if not log:
        return ""
    try:
        with open(log, "rb") as stream:
            lines = stream.read(_OUTPUT_LIMIT).splitlines()
    except FileNotFoundError:
        return ""
    for line in reversed(lines):
        try:
            record: object = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.get("level") in ("error", "fatal"):
            return str(record.get("msg", ""))
    return ""
