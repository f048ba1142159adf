"""The checks of the host on recorded trees: each fact that is wrong is found, a sound host has nothing to say."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterable, Mapping

import pytest

from conman_kernel.doctor import host as checks
from conman_kernel.slots.doctor import Finding, Host

SOUND: Mapping[str, str] = {
    "/proc/self/status": "Name:\tpython3\nCapEff:\t000001ffffffffff\nCapBnd:\t000001ffffffffff\nSeccomp:\t0\n",
    "/proc/sys/kernel/osrelease": "6.1.0-18-amd64\n",
    "/proc/self/uid_map": "         0          0 4294967295\n",
    "/proc/self/cgroup": "0::/user.slice\n",
    "/proc/self/mountinfo": "24 18 0:22 / /sys rw - sysfs sysfs rw\n30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma\n",
    **{f"/proc/self/ns/{name}": "" for name in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")},
}
"""A Debian 12 with systemd, as root."""

V1 = ("31 25 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
      "35 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
      "36 31 0:32 / /sys/fs/cgroup/memory {how} - cgroup cgroup rw,memory\n"
      "38 31 0:34 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
      "39 31 0:35 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n")
UNIFIED = "37 31 0:33 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
V1_OWN = "4:memory:/\n3:cpu:/\n2:pids:/\n1:cpuset:/\n"

Recorded = Callable[..., Host]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    def made(changes: Mapping[str, str | None] | None = None, *, uid: int = 0) -> Host:
        for path, text in {**SOUND, **(changes or {})}.items():
            if text is not None:
                place = tmp_path / path.lstrip("/")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text)
        shm = tmp_path / "dev/shm"
        shm.mkdir(parents=True, exist_ok=True)
        shm.chmod(0o1777)
        return Host(str(tmp_path), uid=uid, environ={})

    return made


def everything(host: Host) -> list[Finding]:
    return [finding for _, look in checks.CHECKS for finding in look(host)]


def subjects(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return [(one.severity, one.subject) for one in found]


def test_a_sound_host_has_nothing_to_say(recorded: Recorded) -> None:
    assert everything(recorded()) == []


def test_a_missing_capability_says_what_it_costs(recorded: Recorded) -> None:
    lacking = {number: SOUND["/proc/self/status"].replace("000001ffffffffff", f"{0x1ffffffffff & ~(1 << number):016x}")
               for number in (24, 21)}
    (one,) = checks.privileges(recorded({"/proc/self/status": lacking[24]}))
    assert (one.severity, one.subject) == ("warning", "CAP_SYS_RESOURCE") and "bounding" in one.meaning and "--ulimit" in one.meaning
    assert "CAP_SYS_RESOURCE" in one.advice
    (one,) = checks.privileges(recorded({"/proc/self/status": lacking[21]}))
    assert (one.severity, one.subject) == ("error", "CAP_SYS_ADMIN")


def test_not_root_is_one_finding(recorded: Recorded) -> None:
    assert subjects(checks.privileges(recorded({"/proc/self/status": "CapEff:\t0\nCapBnd:\t0\n"}, uid=1000))) == [("error", "user")]


@pytest.mark.parametrize(("release", "old"), [("5.4.0", False), ("5.3.18-lp", True), ("4.19.0-26-amd64", True), ("", True), ("10.0", False)])
def test_the_kernels_version(recorded: Recorded, release: str, old: bool) -> None:
    assert bool(list(checks.kernel(recorded({"/proc/sys/kernel/osrelease": release + "\n"})))) is old


def test_missing_namespaces_are_named(recorded: Recorded, tmp_path: Path) -> None:
    host = recorded()
    (tmp_path / "proc/self/ns/cgroup").unlink()
    (one,) = checks.namespaces(host)
    assert one.severity == "error" and "cgroup" in one.meaning


def test_a_user_namespace_is_a_note(recorded: Recorded) -> None:
    assert subjects(checks.namespaces(recorded({"/proc/self/uid_map": "0 100000 65536\n"}))) == [("note", "user namespace")]


CGROUPS = {
    "v2": ({}, []),
    "no hierarchy": ({"/proc/self/mountinfo": "24 18 0:22 / /sys rw - sysfs sysfs rw\n"}, [("error", "cgroups")]),
    "v2 without memory": ({"/sys/fs/cgroup/cgroup.controllers": "cpuset cpu pids\n"}, [("warning", "cgroup controller memory")]),
    "v1": ({"/proc/self/cgroup": V1_OWN, "/proc/self/mountinfo": V1.format(how="rw")}, []),
    "v1, read-only": ({"/proc/self/cgroup": V1_OWN, "/proc/self/mountinfo": V1.format(how="ro,nosuid")},
                      [("error", "/sys/fs/cgroup/memory")]),
    "hybrid": ({"/proc/self/cgroup": V1_OWN + "0::/\n", "/proc/self/mountinfo": V1.format(how="rw") + UNIFIED,
                "/sys/fs/cgroup/unified/cgroup.controllers": "\n"}, [("note", "cgroups")]),
    "hybrid with controllers": ({"/proc/self/cgroup": V1_OWN + "0::/\n", "/proc/self/mountinfo": V1.format(how="rw") + UNIFIED,
                                 "/sys/fs/cgroup/unified/cgroup.controllers": "hugetlb\n"}, [("warning", "cgroups")]),
}


@pytest.mark.parametrize("case", CGROUPS, ids=str)
def test_cgroups(recorded: Recorded, case: str) -> None:
    changes, expected = CGROUPS[case]
    assert subjects(checks.cgroups(recorded(changes))) == expected


def test_crun_on_hybrid_is_told(recorded: Recorded) -> None:
    (one,) = checks.cgroups(recorded(CGROUPS["hybrid with controllers"][0]))
    assert "crun" in one.meaning and "hugetlb" in one.meaning and "runc-runtime" in one.advice


def test_seccomp(recorded: Recorded) -> None:
    status = SOUND["/proc/self/status"].replace("Seccomp:\t0\n", "")
    assert subjects(checks.seccomp(recorded({"/proc/self/status": status}))) == [("warning", "seccomp")]


def test_shared_memory(recorded: Recorded, tmp_path: Path) -> None:
    host = recorded()
    (tmp_path / "dev/shm").chmod(0o755)
    (one,) = checks.memory(host)
    assert "755" in one.meaning and "chmod 1777" in one.advice
    (tmp_path / "dev/shm").rmdir()
    assert subjects(checks.memory(host)) == [("warning", "/dev/shm")]


def test_a_clock_before_any_release_is_an_error(recorded: Recorded) -> None:
    assert subjects(checks.clock(recorded(), now=86400.0)) == [("error", "clock")]
