"""What ``update`` tells a runtime: every limit, those that are not set included, so that what was set before goes."""

from __future__ import annotations

from conman_kernel.oci.runtime.options import ContainerOptions
from conman_kernel.oci.runtime.request import CgroupMount, HostFacts
from conman_kernel.oci.runtime.resources import limits_in_force

EVERY = ("cpu", "cpuset", "memory", "pids")
V1 = HostFacts(cgroup_mode="hybrid", cgroups=tuple(CgroupMount(f"/{name}", (name,), False, "/") for name in EVERY))
V2 = HostFacts(cgroup_mode="v2", cgroups=(CgroupMount("/", EVERY, True, "/"),))
NONE = ContainerOptions(pids_limit=0)
SET = ContainerOptions(memory=64 << 20, memory_reservation=32 << 20, cpus=1.5, cpu_shares=300, cpuset_cpus="0", pids_limit=77)


def test_what_is_set() -> None:
    for facts in (V1, V2):
        assert limits_in_force(SET, facts, all_cpus="0-3") == {
            "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 128 << 20},
            "cpu": {"quota": 150_000, "period": 100_000, "shares": 300, "cpus": "0"}, "pids": {"limit": 77}}
    given = limits_in_force(SET._replace(memory_swap=96 << 20), V1)
    assert given["memory"] == {"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20}


def test_what_is_not_set_is_lifted() -> None:
    assert limits_in_force(NONE, V1, all_cpus="0-3", all_mems="0") == {
        "memory": {"limit": -1, "reservation": -1, "swap": -1},
        "cpu": {"quota": -1, "period": 100_000, "shares": 1024, "cpus": "0-3", "mems": "0"}, "pids": {"limit": -1}}


def test_on_v2_nothing_stands_for_no_reservation_and_no_weight() -> None:
    found = limits_in_force(NONE, V2)
    assert found["memory"] == {"limit": -1, "swap": -1} and found["cpu"] == {"quota": -1, "period": 100_000}


def test_what_the_host_has_not_is_not_asked_for() -> None:
    assert limits_in_force(SET, HostFacts(cgroup_mode="none")) == {}
    noswap = limits_in_force(SET, V1._replace(swap_limit=False))
    assert noswap["memory"] == {"limit": 64 << 20, "reservation": 32 << 20}
