"""What is said of a container from its end on: what its shim wrote down, however early one asks; and what is said of one gone."""

from __future__ import annotations

import json
import os
import signal

import pytest

from conman_kernel.errors import NotFound
from conman_kernel.kernel import Conman
from conman_kernel.testing.command import Command

OVER = "Exited (3) "
FORMAT = "{{.State}} {{.ExitCode}} {{.Status}}"


def test_whoever_asks_at_once_hears_that_it_runs_or_how_it_ended(conman: Command, image: str, gone: list[str]) -> None:
    for turn in range(10):
        name = f"quick{turn}"
        gone.append(name)
        conman.ok("run", "-d", "--name", name, image, "sh", "-c", "exit 3")
        shown = conman.ok("ps", "-a", "--filter", f"name=^{name}$", "--format", FORMAT)
        if not shown.startswith("running 0 Up "):
            assert shown.startswith(f"exited 3 {OVER}") and shown.endswith(" ago\n"), shown
        state = conman.inspect(name)["State"]
        assert isinstance(state, dict)
        if state["Status"] != "running":
            assert (state["Status"], state["ExitCode"], state["Error"]) == ("exited", 3, ""), state
            assert not state["FinishedAt"].startswith("0001"), state
            assert conman.ok("ps", "-a", "-q", "--filter", "exited=3", "--filter", f"name=^{name}$") != ""
        conman("rm", "--force", name)


def test_the_library_never_sees_an_end_without_its_code(conman: Command, image: str, gone: list[str]) -> None:
    from conman_kernel.oci.runtime.options import ContainerOptions

    with Conman(root=conman.root, run_root=conman.run_root) as library:
        for turn in range(20):
            gone.append(f"seen{turn}")
            options = ContainerOptions(name=f"seen{turn}", command=("sh", "-c", "exit 3"))
            container = library.containers.run_detached(image, options)
            reads = 0
            while container.state == "running":
                reads += 1
            assert (container.state, container.exit_code, container.error) == ("exited", 3, ""), reads
            assert container.finished >= container.started > 0
            listed = {c.name: c for c in library.containers.list(all=True, filters=(("exited", "3"),))}
            assert listed[container.name].exit_code == 3
            container.wait()
            container.remove()


def test_logs_of_a_removed_container_are_not_found(conman: Command, image: str) -> None:
    from conman_kernel.oci.runtime.options import ContainerOptions

    with Conman(root=conman.root, run_root=conman.run_root) as library:
        made = library.containers.create(image, ContainerOptions(command=("true",)))
        assert list(made.logs()) == []
        made.remove()
        for follow in (False, True):
            with pytest.raises(NotFound, match="no container with ID"):
                made.logs(follow=follow)
            with pytest.raises(NotFound, match="no container with ID"):
                made.log_reader(follow=follow)


def test_following_one_that_removes_itself_just_ends(conman: Command, image: str) -> None:
    from conman_kernel.oci.runtime.options import ContainerOptions

    with Conman(root=conman.root, run_root=conman.run_root) as library:
        words = ContainerOptions(command=("sh", "-c", "echo here; trap 'exit 0' TERM; sleep 1000 & wait"), remove=True)
        container = library.containers.run_detached(image, words)
        entries = container.logs(follow=True)
        assert next(entries).data == b"here\n"
        container.stop()
        assert list(entries) == []
        with pytest.raises(NotFound):
            container.logs()


def test_a_lost_shim_of_an_exec_is_said_to_be_the_execs(conman: Command, image: str, gone: list[str]) -> None:
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    with conman.start("exec", "host", "sh", "-c", "echo up; sleep 1000") as running:
        try:
            assert running.stdout is not None and running.stdout.readline() == b"up\n"
            with Conman(root=conman.root, run_root=conman.run_root) as library:
                session = str(library.containers.get("host").inspect()["ExecIDs"][0])  # type: ignore[index]
            os.kill(_holder(conman.run_root, session), signal.SIGKILL)
            _, said = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode != 0
    assert f"exec session {session[:12]}" in said.decode() and f"container {session[:12]}" not in said.decode(), said


def _holder(run_root: str, session: str) -> int:
    """The process that has a session's lock file open: its shim."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            names = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended while we looked, or is not ours
        if any(name.startswith(run_root) and name.endswith(f"{session}/shim.lock") for name in names):
            found.append(int(pid))
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("command", ["", "nosuch", "/etc"])
def test_exit_codes_of_what_cannot_be_started_are_podmans(conman: Command, image: str, gone: list[str], command: str) -> None:
    code = 126 if command == "/etc" else 127
    assert conman("run", "--rm", image, command).returncode == code
    assert conman("run", "-d", image, command).returncode == code
    gone.append("never")
    conman.ok("create", "--name", "never", image, command)
    assert conman("start", "never").returncode == 125
    assert conman("start", "--attach", "never").returncode == 125
    assert json.loads(conman.ok("ps", "-a", "--filter", "name=^never$", "--format", "json"))[0]["State"] == "created"
    gone.append("host")
    conman.ok("run", "-d", "--name", "host", image, "sleep", "1000")
    assert conman("exec", "host", command).returncode == code
    assert conman("exec", "-d", "host", command).returncode == 125
