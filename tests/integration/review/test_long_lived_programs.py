"""What a program that lives long and does much with one store relies on: waits that end, undo that is whole, no shared state."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from conman_kernel import Conman, ContainerOptions
from conman_kernel.cancel import Cancel
from conman_kernel.containers import rows
from conman_kernel.containers.container import Container
from conman_kernel.containers.execs.options import ExecOptions
from conman_kernel.containers.shim import Shim
from conman_kernel.errors import Cancelled, ConmanError, NotFound, ShimLost
from conman_kernel.mounts import unmount
from conman_kernel.processes import start_time

LONG = 60.0


def made(store: Conman, *command: str, remove: bool = False) -> Container:
    return store.containers.create(store.images.list()[0], ContainerOptions(command=command, remove=remove))


def change(store: Conman, container: Container, **values: object) -> None:
    with store._index.write() as connection:
        rows.update(connection, container.id, **values)


def kill_beside(container: Container) -> None:
    """Kill a container's shim and process as the out-of-memory killer might, and wait until both are gone."""
    row = container.refresh().row
    for pid in (row.shim_pid, row.pid):
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        assert select.select([handle], [], [], LONG)[0]
        os.close(handle)


def test_a_wait_does_not_wait_for_the_program_that_started_it(store: Conman) -> None:
    container = made(store, "true")
    container.start()
    assert container.wait(cancel=Cancel(LONG)) == 0
    # As another thread of this living process left it in the middle of a start that came to nothing.
    change(store, container, state="starting", owner_pid=os.getpid(), owner_start=start_time(os.getpid()))
    assert container.wait(cancel=Cancel(LONG)) == 0
    assert container.refresh().state == "exited"


def test_a_removal_that_was_cut_off_is_finished_by_a_wait(store: Conman) -> None:
    container = made(store, "true")
    container.start()
    container.wait(cancel=Cancel(LONG))
    change(store, container, state="removing")
    store.containers.finish(container.id)
    with pytest.raises(NotFound):
        container.refresh()


def test_how_a_removed_container_ended_is_said_not_to_be_known(store: Conman) -> None:
    container = made(store, "sleep", "1000", remove=True)
    container.start()
    kill_beside(container)
    with pytest.raises(ShimLost, match="not known"):
        container.wait(cancel=Cancel(LONG))
    with pytest.raises(ShimLost, match="not known"):
        container.wait(cancel=Cancel(LONG))


def test_one_that_cannot_be_settled_holds_up_no_other(store: Conman) -> None:
    container = made(store, "sleep", "1000")
    container.start()
    kill_beside(container)
    root = Path(store.layout.container_run(container.id)) / "rootfs"
    unmount(str(root))
    (root / "strange").touch()
    with Conman(root=store.layout.root, run_root=store.layout.run_root, environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as another:
        assert [c.id for c in another.containers.list(all=True)] == [container.id]
        other = made(another, "true")
        other.start()
        assert other.wait(cancel=Cancel(LONG)) == 0
    (root / "strange").unlink()


@pytest.mark.parametrize("terminal", [False, True])
def test_a_cancelled_start_waits_for_the_runtime_before_it_undoes(gated: Conman, gate: object, terminal: bool) -> None:
    image = gated.images.list()[0]
    cancel, ended = Cancel(), []

    def run() -> None:
        try:
            gated.containers.run(image, ["sleep", "1000"], options=ContainerOptions(terminal=terminal, remove=True), cancel=cancel)
        except ConmanError as error:
            ended.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    gate.reached()  # type: ignore[attr-defined]
    folder = gated.layout.run_root + "/containers"
    cancel.cancel()
    thread.join(0.5)
    assert thread.is_alive() and len(os.listdir(folder)) == 1, "undone under the runtime's hands"
    gate.open()  # type: ignore[attr-defined]
    thread.join(LONG)
    assert ended == [Cancelled]
    assert os.listdir(folder) == [] and gated.containers.list(all=True) == []
    assert not any(os.listdir(f"{gated.layout.run_root}/runtimes/{name}") for name in os.listdir(f"{gated.layout.run_root}/runtimes"))


def test_a_shim_that_is_reaped_by_others_can_be_closed() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        shim = Shim.launch()
        try:
            handle = os.pidfd_open(shim._child)
            assert select.select([handle], [], [], LONG)[0]
            os.close(handle)
        except ProcessLookupError:
            pass  # it was fast
        shim.close()
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_the_clean_up_finds_packages_below_a_folder_with_a_colon(store: Conman, scratch: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    import conman_kernel

    (scratch / "a:b").mkdir()
    (scratch / "a:b/conman_kernel").symlink_to(os.path.dirname(os.path.abspath(conman_kernel.__file__)))
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not os.path.isdir(p + "/conman_kernel")] + [str(scratch / "a:b")])
    store.containers.list()
    argv = store.containers._context.cleanup_argv("0" * 64)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LONG)
    assert (done.returncode, done.stderr) == (0, "")


def test_exec_sessions_end_with_their_container(store: Conman) -> None:
    container = made(store, "sleep", "1000")
    container.start()
    session = container.exec_detached(ExecOptions(command=("sleep", "1000"))).id
    lock = os.stat(f"{store.layout.container_run(container.id)}/exec/{session}/shim.lock").st_ino
    holders = [int(line.split()[4]) for line in Path("/proc/locks").read_text().splitlines() if f":{lock} " in line]
    os.kill(holders[0], signal.SIGKILL)
    container.stop(timeout=0)
    assert container.refresh().inspect()["ExecIDs"] == []
    container.start()
    assert container.refresh().inspect()["ExecIDs"] == []


def test_one_whose_shim_was_killed_can_be_stopped_and_removed(store: Conman) -> None:
    for remove in (False, True):
        container = made(store, "sleep", "1000")
        container.start()
        shim = container.refresh().row.shim_pid
        handle = os.pidfd_open(shim)
        os.kill(shim, signal.SIGKILL)
        assert select.select([handle], [], [], LONG)[0]
        os.close(handle)
        if not remove:
            container.stop(timeout=0)
            assert container.refresh().state == "exited"
        container.remove(force=True, timeout=0)
        with pytest.raises(NotFound):
            container.refresh()
        container.remove(force=True)


def test_whoever_removes_it_first_says_how_it_ended(store: Conman) -> None:
    container = made(store, "sh", "-c", "exit 7")
    container.start()
    assert container.wait(cancel=Cancel(LONG)) == 7
    # As it stands between the container's end and its clean-up.
    change(store, container, state="running", exit_code=-1)
    container.remove(force=True)
    assert container.wait(cancel=Cancel(LONG)) == 7


def test_an_exit_file_that_a_power_cut_left_empty_keeps_nothing(store: Conman) -> None:
    container = made(store, "sleep", "1000", remove=True)
    container.start()
    kill_beside(container)
    Path(store.layout.container(container.id), "exit").write_bytes(b"")
    with Conman(root=store.layout.root, run_root=store.layout.run_root, environ={"CONMAN_CONTAINERS_NETWORK": "none"}) as another:
        assert another.containers.list(all=True) == []
