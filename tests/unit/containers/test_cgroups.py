from __future__ import annotations

import os
import resource
import subprocess
import uuid
from pathlib import Path
from typing import Iterator

import pytest

from conman_kernel.cancel import Cancel
from conman_kernel.containers import cgroups
from conman_kernel.containers.hostfacts import read_facts
from conman_kernel.errors import DeadlineExceeded
from conman_kernel.oci.runtime.request import CgroupMount, HostFacts


def mount(path: Path, *controllers: str, unified: bool = False, own: str = "/") -> CgroupMount:
    path.mkdir(parents=True, exist_ok=True)
    return CgroupMount(str(path), controllers, unified=unified, own=own)


def test_paths_with_either_manager(tmp_path: Path) -> None:
    facts = HostFacts(cgroups=(mount(tmp_path / "memory", "memory"), mount(tmp_path / "pids", "pids")))
    assert cgroups.spec_path(facts, "c1") == "/conman/c1"
    assert cgroups.container_dirs(facts, "c1") == [f"{tmp_path}/memory/conman/c1", f"{tmp_path}/pids/conman/c1"]
    systemd = facts._replace(cgroup_manager="systemd")
    assert cgroups.spec_path(systemd, "c1") == "conman.slice:conman:c1"
    assert cgroups.container_dirs(systemd, "c1")[0] == f"{tmp_path}/memory/conman.slice/conman-c1.scope"
    assert cgroups.spec_path(HostFacts(cgroup_mode="none"), "c1") == ""


def test_a_unified_host_hands_its_controllers_down(tmp_path: Path) -> None:
    root = mount(tmp_path, "memory", "pids", unified=True)
    (tmp_path / "cgroup.subtree_control").write_text("")
    (tmp_path / "conman").mkdir()
    (tmp_path / "conman/cgroup.subtree_control").write_text("")
    facts = HostFacts(cgroup_mode="v2", cgroups=(root,))
    cgroups.prepare(facts)
    cgroups.prepare(facts)
    # A plain file keeps what was written at its start; the kernel's takes word by word.
    assert (tmp_path / "cgroup.subtree_control").read_text().startswith("+pids")
    assert (tmp_path / "conman/cgroup.subtree_control").read_text().startswith("+pids")
    before = {p.name for p in tmp_path.iterdir()}
    cgroups.prepare(facts._replace(cgroup_mode="v1"))
    assert {p.name for p in tmp_path.iterdir()} == before


def test_the_shim_leaves_only_what_it_is_in(tmp_path: Path) -> None:
    cpuset = tmp_path / "cpuset/conman"
    (cpuset / "shim").mkdir(parents=True)
    for folder, text in ((tmp_path / "cpuset", "0-1\n"), (cpuset, ""), (cpuset / "shim", "")):
        for name in ("cpuset.cpus", "cpuset.mems"):
            (folder / name).write_text(text)
    facts = HostFacts(cgroups=(mount(tmp_path / "memory", "memory", own="/user"), mount(tmp_path / "pids", "pids"),
                               mount(tmp_path / "cpuset", "cpuset", own="/user")))
    assert cgroups.shim_dirs(facts) == [f"{tmp_path}/memory/conman/shim", f"{tmp_path}/cpuset/conman/shim"]
    assert (cpuset / "shim/cpuset.cpus").read_text() == "0-1"
    assert not (tmp_path / "pids/conman").exists()
    inside = facts._replace(cgroups=(mount(tmp_path / "memory", "memory", own="/conman/shim"),))
    assert cgroups.shim_dirs(inside) == []


def test_oom_kills_on_both_kinds(tmp_path: Path) -> None:
    for name, text in (("v1/conman/c/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
                       ("v2/conman/c/memory.events", "low 0\noom 9\noom_kill 2\noom_group_kill 0\n")):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    assert cgroups.oom_kills(HostFacts(cgroups=(mount(tmp_path / "v1", "memory"),)), "c") == 3
    assert cgroups.oom_kills(HostFacts(cgroups=(mount(tmp_path / "v2", "memory", unified=True),)), "c") == 2
    assert cgroups.oom_kills(HostFacts(cgroups=(mount(tmp_path / "v1", "memory"),)), "other") == 0


@pytest.fixture
def real() -> Iterator[tuple[HostFacts, str]]:
    """This host's cgroups, and an id with nothing of that name in them; what the test leaves is removed."""
    facts = read_facts(cgroup_manager="cgroupfs")
    if os.geteuid() != 0 or not facts.cgroups or not os.access(facts.cgroups[0].path, os.W_OK):
        pytest.skip("cgroups of this host are not writable: needs root")
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield facts, name
    cgroups.remove(facts, name, Cancel(10))


def freezer(facts: HostFacts, name: str) -> Path:
    """A folder that can freeze, on either kind of host."""
    wanted = next((m for m in facts.cgroups if "freezer" in m.controllers), facts.cgroups[0])
    folder = Path(wanted.path, "conman", name, "inner")
    folder.mkdir(parents=True)
    return folder


def enter(folder: Path, *argv: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    (folder / "cgroup.procs").write_text(str(process.pid))
    return process


def test_leftovers_are_killed_and_removed(real: tuple[HostFacts, str]) -> None:
    facts, name = real
    folder = freezer(facts, name)
    with enter(folder, "sleep", "1000") as one, enter(folder.parent, "sh", "-c", "trap '' TERM INT; sleep 1000") as two:
        assert {one.pid, two.pid} <= set(cgroups.processes(facts, name))
        cgroups.remove(facts, name, Cancel(20))
        assert (one.wait(10), two.wait(10)) == (-9, -9)
    assert cgroups.processes(facts, name) == []
    assert not any(os.path.exists(d) for d in cgroups.container_dirs(facts, name))
    cgroups.remove(facts, name, Cancel(1))


def test_a_frozen_container_dies_too(real: tuple[HostFacts, str]) -> None:
    facts, name = real
    folder = freezer(facts, name)
    with enter(folder, "sleep", "1000") as process:
        state, word = ("freezer.state", "FROZEN") if (folder / "freezer.state").exists() else ("cgroup.freeze", "1")
        (folder / state).write_text(word)
        cgroups.kill_all(facts, name, Cancel(20))
        assert process.wait(10) == -9


def test_the_deadline_holds(real: tuple[HostFacts, str]) -> None:
    facts, name = real
    folder = freezer(facts, name)
    with enter(folder, "sleep", "1000") as process:
        with pytest.raises(DeadlineExceeded):
            cgroups.kill_all(facts, name, Cancel(0))
        process.kill()


def test_more_processes_than_descriptors_are_killed(real: tuple[HostFacts, str]) -> None:
    facts, name = real
    folder = freezer(facts, name)
    started = [enter(folder, "sleep", "1000") for _ in range(cgroups._AT_ONCE + 16)]
    for process in started:
        assert process.stdout is not None
        process.stdout.close()
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + cgroups._AT_ONCE + 8, before[1]))
    try:
        cgroups.kill_all(facts, name, Cancel(20))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert {process.wait(10) for process in started} == {-9}
