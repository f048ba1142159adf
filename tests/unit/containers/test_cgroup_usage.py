"""Recorded trees of hosts: cgroup v2 with systemd, v1 with controllers apart and together, hybrid."""

from __future__ import annotations

from pathlib import Path

import pytest

from conman_kernel.containers.cgroup_usage import CgroupUsage, UsageReader
from conman_kernel.oci.runtime.request import CgroupMount, HostFacts

V2 = {
    "cpu.stat": "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\ncore_sched.force_idle_usec 0\nnr_periods 0\n"
                "nr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n",
    "memory.current": "5341184\n", "memory.max": "104857600\n", "pids.current": "3\n", "pids.max": "2048\n",
    "io.stat": "8:0 rbytes=4096 wbytes=1048576 rios=1 wios=16 dbytes=0 dios=0\n"
               "259:0 rbytes=90112 wbytes=0 rios=6 wios=0 dbytes=0 dios=0\n7:0 \n"}

V1 = {
    "cpuacct": {"cpuacct.usage": "40605146\n", "cpuacct.stat": "user 2\nsystem 1\n"},
    "memory": {"memory.usage_in_bytes": "335872\n", "memory.limit_in_bytes": "9223372036854771712\n"},
    "pids": {"pids.current": "1\n"},
    "blkio": {"blkio.throttle.io_service_bytes_recursive":
              "8:16 Read 8192\n8:16 Write 4096\n8:16 Sync 12288\n8:16 Async 0\n8:16 Discard 0\n8:16 Total 12288\n"
              "8:0 Read 100\n8:0 Write 0\n8:0 Sync 100\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 100\nTotal 12388\n"},
}


def read_usage(facts: HostFacts, container: str) -> CgroupUsage:
    return UsageReader(facts).read(container)


def fill(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def hierarchy(path: Path, *controllers: str, unified: bool = False) -> CgroupMount:
    return CgroupMount(str(path), controllers, unified=unified, own="/")


def test_a_unified_host(tmp_path: Path) -> None:
    fill(tmp_path / "conman.slice/conman-c.scope", V2)
    facts = HostFacts(cgroup_mode="v2", cgroup_manager="systemd",
                      cgroups=(hierarchy(tmp_path, "cpu", "io", "memory", "pids", unified=True),))
    assert read_usage(facts, "c") == CgroupUsage(1_234_567_000, 5_341_184, 104_857_600, 3, 94_208, 1_048_576)
    (tmp_path / "conman.slice/conman-c.scope/memory.max").write_text("max\n")
    assert read_usage(facts, "c").memory_limit == 0
    assert read_usage(facts, "gone") == CgroupUsage()


def test_a_unified_host_that_hands_no_controller_down(tmp_path: Path) -> None:
    """``cpu.stat`` is there without the controller, in fewer lines; the other files are not."""
    fill(tmp_path / "conman/c", {"cpu.stat": "usage_usec 7\nuser_usec 5\nsystem_usec 2\n"})
    facts = HostFacts(cgroup_mode="v2", cgroup_manager="cgroupfs", cgroups=(hierarchy(tmp_path, unified=True),))
    assert read_usage(facts, "c") == CgroupUsage(cpu_ns=7000)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("mode", ["v1", "hybrid"])
def test_separate_hierarchies(tmp_path: Path, mode: str, together: bool) -> None:
    places = {name: tmp_path / (",".join(("cpu", name)) if together and name == "cpuacct" else name) for name in V1}
    for name, place in places.items():
        fill(place / "conman/c", V1[name])
    mounts = [hierarchy(places[name], *(("cpu", name) if name == "cpuacct" else (name,))) for name in V1]
    mounts.append(hierarchy(tmp_path / "systemd", "name=systemd"))
    if mode == "hybrid":
        fill(tmp_path / "unified/conman/c", {"cpu.stat": "usage_usec 1\n", "memory.current": "1\n"})
        mounts.insert(0, hierarchy(tmp_path / "unified", unified=True))
    facts = HostFacts(cgroup_mode=mode, cgroup_manager="cgroupfs", cgroups=tuple(mounts))
    assert read_usage(facts, "c") == CgroupUsage(40_605_146, 335_872, 9_223_372_036_854_771_712, 1, 8292, 4096)
    assert read_usage(facts, "gone") == CgroupUsage()


def test_what_the_kernel_does_not_count_is_nothing(tmp_path: Path) -> None:
    fill(tmp_path / "memory/conman/c", V1["memory"])
    facts = HostFacts(cgroup_mode="v1", cgroup_manager="cgroupfs", cgroups=(hierarchy(tmp_path / "memory", "memory"),))
    assert read_usage(facts, "c") == CgroupUsage(memory=335_872, memory_limit=9_223_372_036_854_771_712)
    assert read_usage(HostFacts(cgroup_mode="none"), "c") == CgroupUsage()
