from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from conman_kernel.containers.hostfacts import choose_manager, devices_for, read_facts
from conman_kernel.errors import InvalidInput, NotFound, Unavailable
from conman_kernel.oci.runtime.options import ContainerOptions, Device, Ulimit

STATUS = "Name:\tpython3\nUmask:\t0022\nCapEff:\t000001fffeffffff\nCapBnd:\t000001ffffffffff\nSeccomp:\t0\n"
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max processes             96365                96365                processes 
Max open files            1024                 524288               files     
Max realtime timeout      unlimited            unlimited            us        
"""

V2 = ({"/proc/self/cgroup": "0::/user.slice/user-0.slice/session-1.scope\n",
       "/proc/self/mountinfo": "24 18 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
                               "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
       "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma\n",
       "/run/systemd/system/.keep": ""})
"""A Debian 12 with systemd, seen from an ssh session."""

V1 = ({"/proc/self/cgroup": "11:memory:/\n5:cpu,cpuacct:/docker\n1:name=systemd:/init.scope\n",
       "/proc/self/mountinfo":
           "31 25 0:27 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
           "32 31 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
           "35 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
           "36 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
           "90 31 0:32 / /var/lib/odd\\040place/memory rw - cgroup cgroup rw,memory\n",
       "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes": "9223372036854771712\n"})
"""A CentOS 7 without systemd running."""

HYBRID = ({**V1, "/proc/self/cgroup": V1["/proc/self/cgroup"] + "0::/\n",
           "/proc/self/mountinfo": V1["/proc/self/mountinfo"]
               + "37 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
           "/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n"})

NESTED = ({"/proc/self/cgroup": "4:pids:/docker/abc/inner\n3:memory:/docker/abc\n",
           "/proc/self/mountinfo": "40 30 0:30 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
                                   "41 30 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"})
"""In a container of docker's on a v1 host, without a cgroup namespace."""


def tree(root: Path, files: dict[str, str]) -> str:
    common = {"/proc/self/status": STATUS, "/proc/self/limits": LIMITS, "/proc/self/oom_score_adj": "200\n",
              "/proc/self/uid_map": "         0          0 4294967295\n", "/proc/sys/kernel/osrelease": "5.10.0-28-amd64\n",
              "/proc/sys/kernel/random/boot_id": "be137d74-f067-4fb1-bd32-e01413122739\n",
              "/proc/sys/kernel/hostname": "node7\n"}
    for name, text in {**common, **files}.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


def test_a_unified_host_with_systemd(tmp_path: Path) -> None:
    facts = read_facts(root=tree(tmp_path, V2))
    assert (facts.cgroup_mode, facts.cgroup_manager) == ("v2", "systemd")
    assert facts.controllers() == {"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma"}
    assert facts.cgroups[0].own == "/user.slice/user-0.slice/session-1.scope"
    assert facts.swap_limit


def test_a_v1_host(tmp_path: Path) -> None:
    facts = read_facts(root=tree(tmp_path, V1))
    assert (facts.cgroup_mode, facts.cgroup_manager) == ("v1", "cgroupfs")
    assert [(m.path, m.controllers, m.own) for m in facts.cgroups] == [
        ("/sys/fs/cgroup/systemd", ("name=systemd",), "/init.scope"),
        ("/sys/fs/cgroup/cpu,cpuacct", ("cpu", "cpuacct"), "/docker"), ("/sys/fs/cgroup/memory", ("memory",), "/")]
    assert facts.swap_limit


def test_a_hybrid_host_and_one_without_cgroups(tmp_path: Path) -> None:
    facts = read_facts(root=tree(tmp_path / "h", HYBRID))
    assert facts.cgroup_mode == "hybrid"
    assert "memory" in facts.controllers()
    none = read_facts(root=tree(tmp_path / "n", {"/proc/self/mountinfo": "", "/proc/self/cgroup": ""}))
    assert (none.cgroup_mode, none.cgroups, none.swap_limit) == ("none", (), False)
    only_named = read_facts(root=tree(tmp_path / "s", {
        "/proc/self/cgroup": "1:name=systemd:/\n0::/\n", "/sys/fs/cgroup/unified/cgroup.controllers": "memory pids\n",
        "/proc/self/mountinfo": "32 31 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
                                "37 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"}))
    assert only_named.cgroup_mode == "v2"


def test_in_a_container_the_own_cgroup_is_below_what_is_mounted(tmp_path: Path) -> None:
    facts = read_facts(root=tree(tmp_path, NESTED))
    assert [m.own for m in facts.cgroups] == ["/inner", "/"]


def test_the_process_and_the_kernel(tmp_path: Path) -> None:
    facts = read_facts(root=tree(tmp_path, V2))
    assert (facts.bounding, facts.effective) == (0x1FFFFFFFFFF, 0x1FFFEFFFFFF)
    assert facts.rlimits == (Ulimit("cpu", -1, -1), Ulimit("nproc", 96365, 96365), Ulimit("nofile", 1024, 524288),
                             Ulimit("rttime", -1, -1))
    assert (facts.oom_score_adj, facts.boot_id[:8], facts.hostname, facts.kernel) == (200, "be137d74", "node7", (5, 10))
    assert facts.seccomp and not facts.apparmor and not facts.selinux and not facts.user_namespace


def test_security_modules_and_user_namespaces(tmp_path: Path) -> None:
    facts = read_facts(root=tree(tmp_path, {
        **V2, "/sys/module/apparmor/parameters/enabled": "Y\n", "/sys/fs/selinux/enforce": "1",
        "/proc/self/uid_map": "0 100000 65536\n", "/proc/self/status": "Name:\tx\n"}))
    assert facts.apparmor and facts.selinux and facts.user_namespace and not facts.seccomp


def test_the_manager_is_chosen(tmp_path: Path) -> None:
    root = tree(tmp_path, V1)
    assert choose_manager("auto", root) == "cgroupfs" == choose_manager("cgroupfs", root)
    with pytest.raises(Unavailable, match="systemd does not run this host"):
        choose_manager("systemd", root)
    with pytest.raises(InvalidInput, match="'systmd'"):
        choose_manager("systmd", root)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    assert choose_manager("systemd", root) == "systemd"


def test_this_host_is_read_in_a_few_milliseconds() -> None:
    best = 1.0
    for _ in range(5):
        start = time.perf_counter()
        facts = read_facts()
        best = min(best, time.perf_counter() - start)
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert {limit.name for limit in facts.rlimits} >= {"nofile", "nproc", "core", "stack"}
    assert best < 0.02


def test_devices_by_name_and_by_folder() -> None:
    null, = devices_for(ContainerOptions(devices=(Device("/dev/null", "/dev/mine", "r"),)))
    assert (null.path, null.type, null.major, null.minor, null.access) == ("/dev/mine", "c", 1, 3, "r")
    everything = {d.path: d for d in devices_for(ContainerOptions(devices=(Device("/dev", "/devices"),)))}
    assert everything["/devices/zero"].minor == 5
    assert not any(os.path.islink("/dev" + path[len("/devices"):]) for path in everything)


def test_privileged_gets_the_hosts_devices() -> None:
    found = {d.path: d for d in devices_for(ContainerOptions(privileged=True, devices=(Device("/dev/zero", "/dev/null"),)))}
    assert found["/dev/null"].minor == 5
    assert not any(p.startswith(("/dev/pts/", "/dev/shm/", "/dev/mqueue/")) for p in found)


def test_what_is_no_device() -> None:
    with pytest.raises(NotFound, match="stat /dev/nope: no such file"):
        devices_for(ContainerOptions(devices=(Device("/dev/nope", "/dev/nope"),)))
    with pytest.raises(InvalidInput, match="not a device node"):
        devices_for(ContainerOptions(devices=(Device("/etc/passwd", "/dev/x"),)))
