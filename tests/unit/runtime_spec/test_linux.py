from __future__ import annotations

import json

import pytest

from conman_kernel.errors import InvalidInput, Unavailable
from conman_kernel.oci.runtime.linux import MASKED_PATHS, build_namespaces, build_sysctls
from conman_kernel.oci.runtime.options import ContainerOptions, Ulimit
from conman_kernel.oci.runtime.request import CgroupMount, HostDevice, HostFacts
from conman_kernel.oci.runtime.resources import build_resources
from conman_kernel.oci.runtime.spec import build_spec, check_options


def kinds(request) -> dict[str, str]:
    return {n["type"]: n.get("path", "") for n in build_namespaces(request)}


def test_namespaces(make) -> None:
    assert kinds(make()) == {"pid": "", "network": "", "ipc": "", "uts": "", "mount": ""}
    assert kinds(make(pid="host", ipc="host", uts="host", network="host")) == {"mount": ""}
    assert kinds(make(network="none", cgroupns="own"))["cgroup"] == ""
    assert kinds(make(facts=HostFacts(cgroup_mode="v2")))["cgroup"] == ""
    assert kinds(make(network="path:/run/netns/x"))["network"] == "/run/netns/x"
    assert kinds(make(pid="container:abc", namespaces={"pid": "/proc/7/ns/pid"}))["pid"] == "/proc/7/ns/pid"
    with pytest.raises(InvalidInput, match="nothing was found to join"):
        build_namespaces(make(pid="container:abc"))


def test_hostname_only_in_an_own_namespace(make) -> None:
    assert build_spec(make())["hostname"] == "c0ffee"
    assert "hostname" not in build_spec(make(uts="host"))
    assert "hostname" not in build_spec(make(uts="container:x", namespaces={"uts": "/proc/7/ns/uts"}))


def test_sysctls_need_their_namespace(make) -> None:
    assert build_sysctls(make()) == {"net.ipv4.ping_group_range": "0 0"}
    assert build_sysctls(make(network="host")) == {}
    assert build_sysctls(make(sysctls=(("kernel.shmmax", "1"), ("fs.mqueue.msg_max", "2"))))["kernel.shmmax"] == "1"
    for options, name in (({"network": "host"}, "net.ipv4.ip_forward"), ({"ipc": "host"}, "kernel.sem"),
                          ({"uts": "host"}, "kernel.domainname"), ({}, "vm.swappiness"), ({}, "kernel.panic")):
        with pytest.raises(InvalidInput, match=name):
            build_sysctls(make(sysctls=((name, "1"),), **options))


def test_resources(make) -> None:
    doc = build_resources(make(memory=64 << 20, memory_reservation=32 << 20, cpus=0.5, cpu_shares=512, cpuset_cpus="0",
                               pids_limit=10))
    assert doc["memory"] == {"limit": 64 << 20, "reservation": 32 << 20, "swap": 128 << 20}
    assert doc["cpu"] == {"shares": 512, "quota": 50000, "period": 100000, "cpus": "0"}
    assert doc["pids"] == {"limit": 10}
    assert build_resources(make())["pids"] == {"limit": 2048}
    assert "pids" not in build_resources(make(pids_limit=0))
    assert build_resources(make(memory=1 << 20, memory_swap=-1))["memory"] == {"limit": 1 << 20, "swap": -1}


def test_no_default_where_the_host_cannot(make) -> None:
    bare = HostFacts(cgroups=(), swap_limit=False)
    assert "pids" not in build_resources(make(facts=bare))
    unified = HostFacts(cgroup_mode="v2", swap_limit=False,
                        cgroups=(CgroupMount("/sys/fs/cgroup", ("memory", "pids"), unified=True, own="/"),))
    assert build_resources(make(facts=unified, memory=1 << 20))["memory"] == {"limit": 1 << 20}
    with pytest.raises(Unavailable, match="no usable cgroup controller 'cpu'"):
        check_options(ContainerOptions(cpus=1.0), unified)
    with pytest.raises(Unavailable, match="does not account swap"):
        check_options(ContainerOptions(memory=1 << 20, memory_swap=2 << 20), unified)


def test_devices(make) -> None:
    node = HostDevice("/dev/fuse", "c", 10, 229, 0o600, 0, 0, "rw")
    linux = build_spec(make(devices=(node, HostDevice("/dev/null", "c", 1, 3))))["linux"]
    assert isinstance(linux, dict)
    assert linux["devices"] == [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o600,
                                 "uid": 0, "gid": 0}]
    rules = linux["resources"]["devices"]
    assert rules[0] == {"allow": False, "access": "rwm"}
    assert {"allow": True, "type": "c", "major": 10, "minor": 229, "access": "rw"} in rules


def test_privileged_takes_the_walls_down(make) -> None:
    doc = build_spec(make(privileged=True))
    linux = doc["linux"]
    assert isinstance(linux, dict)
    assert not {"maskedPaths", "readonlyPaths", "seccomp"} & set(linux)
    assert linux["resources"]["devices"] == [{"allow": True, "access": "rwm"}]


def test_a_plain_container_is_walled_in(make) -> None:
    linux = build_spec(make(cgroups_path="/conman/c0ffee"))["linux"]
    assert isinstance(linux, dict)
    assert linux["maskedPaths"] == list(MASKED_PATHS)
    assert "/proc/sys" in linux["readonlyPaths"]
    assert linux["seccomp"]["defaultAction"] == "SCMP_ACT_ERRNO"
    assert linux["cgroupsPath"] == "/conman/c0ffee"
    assert "hooks" not in build_spec(make())


def test_annotations_and_no_labels(make) -> None:
    doc = build_spec(make(annotations=(("a", "b"),), labels=(("c", "d"),), stop_signal=2))
    assert doc["annotations"] == {"io.container.manager": "conman", "org.opencontainers.image.stopSignal": "2", "a": "b"}


@pytest.mark.parametrize("options", [
    {"memory": 1000}, {"memory_swap": 1 << 20}, {"memory": 1 << 20, "memory_swap": 1 << 19},
    {"memory": 1 << 20, "memory_reservation": 1 << 21}, {"oom_score_adj": 1001}, {"cap_add": ("NOPE",)},
    {"init": True, "pid": "host"}, {"hostname": "x", "uts": "host"}, {"sysctls": (("vm.swappiness", "1"),)}])
def test_contradictions_are_found_before_anything_is_made(facts: HostFacts, options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        check_options(ContainerOptions(**options), facts)  # type: ignore[arg-type]


def test_what_the_host_lacks_is_found_too(facts: HostFacts) -> None:
    with pytest.raises(Unavailable, match="AppArmor"):
        check_options(ContainerOptions(apparmor="mine"), facts)
    with pytest.raises(Unavailable, match="seccomp"):
        check_options(ContainerOptions(seccomp="/p.json"), facts._replace(seccomp=False))
    with pytest.raises(Unavailable, match="nofile"):
        check_options(ContainerOptions(ulimits=(Ulimit("nofile", 9, 9),)),
                      facts._replace(effective=0, rlimits=(Ulimit("nofile", 5, 5),)))


def test_the_document_is_json_and_the_same_every_time(make) -> None:
    assert json.dumps(build_spec(make())) == json.dumps(build_spec(make()))
    assert json.loads(json.dumps(build_spec(make())))["ociVersion"] == "1.0.2"
