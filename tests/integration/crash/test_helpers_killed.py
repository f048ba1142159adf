"""kill -9 of what stands beside a container: the shim, and the clean-up command that it becomes."""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from conman_kernel import Conman
from conman_kernel.store.layout import Layout
from conman_kernel.store.locks import Locks
from conman_kernel.testing.aftermath import processes, wait_gone


class Pids(NamedTuple):
    id: str
    num: int
    container: int
    shim: int


def pids(store, name: str) -> Pids:
    """The processes of a running container, from its record."""
    with Conman(root=store.command.root, run_root=store.command.run_root) as conman:
        row = conman.containers.get(name).row
    assert row.pid > 1 and row.shim_pid > 1, row  # 0 would be ourselves
    return Pids(row.id, row.num, row.pid, row.shim_pid)


def kill(*numbers: int) -> None:
    """Kill processes and wait for their end."""
    for number in numbers:
        os.kill(number, signal.SIGKILL)
    assert wait_gone(set(numbers), 20)


def orphaned(store, *flags: str) -> Pids:
    """A container that ended, whose clean-up command was killed before it did anything."""
    store.command.ok("run", "-d", *flags, "--name", "victim", store.image, "sleep", "1000")
    found = pids(store, "victim")
    shim_lock = os.open(f"{store.command.run_root}/containers/{found.id}/shim.lock", os.O_RDWR)
    with Locks(Layout(store.command.root, store.command.run_root)).acquire(found.num):
        kill(found.container)
        fcntl.flock(shim_lock, fcntl.LOCK_SH)  # free once the shim has become the clean-up command, which waits for our lock
        assert "conman_kernel.cleanup" in processes(store.command.root, store.command.run_root)[found.shim]
        kill(found.shim)
    os.close(shim_lock)
    return found


def test_a_lost_shim(store) -> None:
    store.command.ok("run", "-d", "--name", "victim", store.image, "sleep", "1000")
    found = pids(store, "victim")
    waiting = store.command.start("wait", "victim")
    kill(found.shim)
    assert store.command.ok("ps", "-a", "--format", "{{.Names}} {{.State}}") == "victim exited\n"
    assert wait_gone({found.container}, 20)
    state = store.command.inspect("victim")["State"]
    assert (state["Status"], state["Running"], state["Error"]) == ("exited", False, "shim lost")
    _, err = waiting.communicate(timeout=30)
    assert waiting.returncode == 125 and b"not known" in err
    done = store.command("wait", "victim")
    assert done.returncode == 125 and "shim lost" in done.stderr
    store.command.ok("rm", "victim")
    assert store.left() == []


@pytest.mark.parametrize("verb", [("rm", "-f"), ("stop",), ("start",)])
def test_any_command_may_be_the_next_after_a_lost_shim(store, verb: tuple[str, ...]) -> None:
    store.command.ok("run", "-d", "--name", "victim", store.image, "sleep", "1000")
    found = pids(store, "victim")
    kill(found.shim)
    store.command.ok(*verb, "victim")
    assert wait_gone({found.container}, 20)
    shown = store.command.ok("ps", "-a", "--format", "{{.State}}")
    assert shown == {"rm": "", "stop": "exited\n", "start": "running\n"}[verb[0]]


def test_a_lost_shim_of_one_with_rm(store) -> None:
    store.command.ok("run", "-d", "--rm", "--name", "victim", store.image, "sleep", "1000")
    with Conman(root=store.command.root, run_root=store.command.run_root) as conman:
        name = conman.containers.list()[0].name
    kill(pids(store, name).shim)
    assert store.command.ok("ps", "-a", "-q") == ""
    assert store.left() == []


def test_a_lost_shim_in_the_foreground(store) -> None:
    run = store.command.start("run", "--rm", "--name", "victim", store.image, "sh", "-c", "echo up; sleep 1000")
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    kill(pids(store, "victim").shim)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 125 and err.startswith(b"Error: ") and len(err.splitlines()) <= 2, err
    store.command.ok("ps", "-a")
    assert store.left() == []


def test_the_shim_honours_rm_when_run_is_killed(store) -> None:
    run = store.command.start("run", "--rm", "-i", "--name", "victim", store.image, "sh", "-c", "echo up; cat; echo end",
                              stdin=-1)
    assert run.stdin is not None and run.stdout is not None and run.stdout.readline() == b"up\n"
    found = pids(store, "victim")
    kill(run.pid)
    run.communicate()
    # Its input was run's: it ends now, and nobody but the shim's clean-up command can clear it.
    assert wait_gone({found.container, found.shim}, 30)
    assert store.left() == []


def test_a_killed_run_without_rm_leaves_the_container_and_its_log(store) -> None:
    run = store.command.start("run", "--name", "victim", store.image, "sh", "-c", "echo up; exec sleep 1000")
    assert run.stdout is not None and run.stdout.readline() == b"up\n"
    found = pids(store, "victim")
    kill(run.pid)
    run.communicate()
    assert store.command.ok("ps", "--format", "{{.Names}} {{.State}}") == "victim running\n"
    assert store.command.ok("logs", "victim") == "up\n"
    store.command.ok("kill", "-s", "KILL", "victim")
    assert store.command.ok("wait", "victim") == "137\n"
    assert wait_gone({found.shim}, 20)


@pytest.mark.parametrize("flags", [(), ("--rm",)], ids=["kept", "rm"])
def test_a_killed_clean_up_command(store, flags: tuple[str, ...]) -> None:
    orphaned(store, *flags)
    shown = store.command.ok("ps", "-a", "--format", "{{.Names}} {{.State}}")
    assert shown == ("" if flags else "victim exited\n")
    if not flags:
        assert store.command.ok("wait", "victim") == "137\n"
        store.command.ok("rm", "victim")
    assert store.left() == []


@pytest.mark.parametrize("flags", [(), ("--rm",)], ids=["kept", "rm"])
def test_a_clean_up_command_killed_anywhere(store, tmp_path: Path, request: pytest.FixtureRequest,
                                            flags: tuple[str, ...]) -> None:
    def clean(step: int, id: str, count: Path | None = None) -> None:
        code = "import sys; from conman_kernel.cleanup import main; main(sys.argv[1:]); import os; os._exit(0)"
        program, store.command.program = store.command.program, [sys.executable, "-c", code]
        try:
            process = store.stepped(step, 9, store.command.root, store.command.run_root, "", id, count=count)
        finally:
            store.command.program = program
        _, err = process.communicate(timeout=30)
        assert process.returncode in (0, -9), err

    clean(0, orphaned(store, *flags).id, tmp_path / "steps")
    places = (tmp_path / "steps").read_text().splitlines()
    assert len(places) > 30, places
    store.command.clear()
    all_steps = range(1, len(places) + 1)
    steps = all_steps if "stress" in request.config.option.markexpr else all_steps[::max(1, len(places) // 6)]
    for step in steps:
        clean(step, orphaned(store, *flags).id)
        shown = store.command.ok("ps", "-a", "--format", "{{.Names}} {{.State}}")
        assert shown == ("" if flags else "victim exited\n"), places[step - 1]
        if not flags:
            assert store.command.ok("wait", "victim") == "137\n", places[step - 1]
        store.command.clear()
        assert store.left() == [], places[step - 1]
