"""What the tests of exec sessions share: a container that runs, a session's files and shim."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

from conman_kernel import Cancel, Container, ExecOptions, ExecSession
from conman_kernel.testing.command import Command

from . import facts

LONG = 60.0


def shell(script: str, *, terminal: bool = False, stdin_open: bool = False) -> ExecOptions:
    return ExecOptions(command=("sh", "-c", script), terminal=terminal, stdin_open=stdin_open)


def patient() -> Cancel:
    return Cancel(LONG)


def files(conman: Command, session: ExecSession) -> Path:
    return Path(conman.run_root) / "containers" / session.container_id / "exec" / session.id


def only(host: Container) -> ExecSession:
    """The one session of a container, once it says that it runs: its output may come before."""
    seen: list[ExecSession] = []

    def running() -> list[ExecSession]:
        seen[:] = host.execs()
        return [session for session in seen if session.state == "running"]

    try:
        (session,) = facts.until(running)
    except AssertionError as error:
        raise AssertionError(f"none runs: {[session.inspect() for session in seen]}") from error
    return session


def gone(path: Path) -> None:
    """Wait until the clean-up, which the shim becomes, has removed a folder."""
    try:
        facts.until(lambda: not path.exists())
    except AssertionError as error:
        raise AssertionError(f"still there: {sorted(os.listdir(path))}, shims {shims(path)}") from error


def shims(path: Path) -> list[int]:
    try:
        inode = (path / "shim.lock").stat().st_ino
    except FileNotFoundError:
        return []
    return [int(line.split()[4]) for line in Path("/proc/locks").read_text().splitlines() if f":{inode} " in line]


def kill_shim(path: Path) -> None:
    (pid,) = shims(path)
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert select.select([handle], [], [], LONG)[0]
    os.close(handle)
