"""The same words to conman and to the real podman: what differs between the two specs is listed here, and nothing else does."""

from __future__ import annotations

import os
from typing import Any, Callable

import pytest

from conman_kernel.containers.hostfacts import devices_for, read_facts
from conman_kernel.containers.users import resolve_user
from conman_kernel.oci.runtime.options import ContainerOptions, Device, MountOption, Ulimit
from conman_kernel.oci.runtime.request import SpecRequest
from conman_kernel.oci.runtime.spec import build_spec

LIMITS = (Ulimit("nofile", 1024, 1024), Ulimit("nproc", 1000, 1000))

CASES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "plain": ((), {}),
    "user": (("--user", "app", "--group-add", "video"), {"user": "app", "groups": ("video",)}),
    "capabilities": (("--user", "app", "--cap-add", "NET_RAW", "--cap-drop", "CHOWN"),
                     {"user": "app", "cap_add": ("NET_RAW",), "cap_drop": ("CHOWN",)}),
    "all dropped": (("--cap-drop", "ALL", "--cap-add", "KILL"), {"cap_drop": ("ALL",), "cap_add": ("KILL",)}),
    "privileged": (("--privileged",), {"privileged": True}),
    "privileged user": (("--privileged", "--user", "app"), {"privileged": True, "user": "app"}),
    "limits": (("--memory", "64m", "--memory-reservation", "32m", "--cpus", "0.5", "--cpu-shares", "512", "--pids-limit", "10",
                "--cpuset-cpus", "0"),
               {"memory": 64 << 20, "memory_reservation": 32 << 20, "cpus": 0.5, "cpu_shares": 512, "pids_limit": 10,
                "cpuset_cpus": "0"}),
    "read-only": (("--read-only", "--tmpfs", "/x:size=1m", "-v", "/tmp:/mnt", "-v", "/opt:/opt:ro,rslave"),
                  {"read_only": True, "mounts": (MountOption("tmpfs", "", "/x", ("size=1m",)), MountOption("bind", "/tmp", "/mnt"),
                                                 MountOption("bind", "/opt", "/opt", ("ro", "rslave")))}),
    "shared": (("--pid", "host", "--ipc", "host", "--uts", "host", "--cgroupns", "private"),
               {"pid": "host", "ipc": "host", "uts": "host", "cgroupns": "own"}),
    "hardened": (("--security-opt", "no-new-privileges", "--security-opt", "seccomp=unconfined", "--oom-score-adj", "500",
                  "--sysctl", "net.ipv4.ip_forward=0", "--device", "/dev/null:/dev/foo:r"),
                 {"no_new_privileges": True, "seccomp": "unconfined", "oom_score_adj": 500,
                  "sysctls": (("net.ipv4.ip_forward", "0"),), "devices": (Device("/dev/null", "/dev/foo", "r"),)}),
}

Spec = dict[str, object]


def ours(rootfs: object, **fields: object) -> Spec:
    options = ContainerOptions(command=("sleep", "1000"), ulimits=LIMITS, network="none")._replace(**fields)  # type: ignore[arg-type]
    fd = os.open(str(rootfs), os.O_PATH | os.O_DIRECTORY)
    user = resolve_user(fd, options.user, options.groups)
    os.close(fd)
    return build_spec(SpecRequest(id="c", name="c", hostname="c", rootfs=str(rootfs), options=options, user=user,
                                  facts=read_facts(cgroup_manager="cgroupfs"), devices=devices_for(options)))


def part(spec: Spec, *path: str) -> Any:
    value: object = spec
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def mounts(spec: Spec, *skip: str) -> dict[str, tuple[str, str, frozenset[str]]]:
    """Target -> type, source, options, without the files that every container gets of its own and what is skipped."""
    own = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/dev/shm", *skip}
    listed = spec["mounts"]
    assert isinstance(listed, list)
    return {m["destination"]: (m["type"], m["source"], frozenset(m["options"])) for m in listed if m["destination"] not in own}


@pytest.mark.parametrize("case", CASES)
def test_the_spec_is_podmans(case: str, rootfs: object, podman_spec: Callable[..., Spec]) -> None:
    flags, fields = CASES[case]
    theirs = podman_spec("--network", "none", *flags)
    mine = ours(rootfs, **fields)
    for path in (("process", "capabilities"), ("process", "rlimits"), ("process", "noNewPrivileges"), ("process", "oomScoreAdj"),
                 ("process", "cwd"), ("process", "args"), ("root", "readonly"), ("linux", "readonlyPaths"), ("linux", "sysctl"),
                 ("linux", "resources"), ("linux", "rootfsPropagation")):
        assert part(mine, *path) == part(theirs, *path), path
    check_user(mine, theirs)
    check_environment(mine, theirs)
    check_namespaces_and_masks(mine, theirs)
    # Podman writes rprivate on a privileged /sys; runc makes it so anyhow.
    skip = ("/sys",) if fields.get("privileged") else ()
    assert mounts(mine, *skip) == mounts(theirs, *skip)
    assert (part(mine, "linux", "seccomp") is None) == (part(theirs, "linux", "seccomp") is None)
    check_devices(mine, theirs)


def check_user(mine: Spec, theirs: Spec) -> None:
    """The same ids; the own group is always listed by conman, as by newer podman (CVE-2022-2989)."""
    own, other = dict(part(mine, "process", "user")), dict(part(theirs, "process", "user"))  # type: ignore[call-overload]
    groups, others = set(own.pop("additionalGids", ())), set(other.pop("additionalGids", ()))
    assert own == other
    assert groups == others | {own["gid"]}


def check_environment(mine: Spec, theirs: Spec) -> None:
    """Podman 4.3 sets TERM without a terminal, too, and says podman."""
    own = {w for w in part(mine, "process", "env") if not w.startswith("HOSTNAME=")}  # type: ignore[attr-defined]
    other = {w for w in part(theirs, "process", "env") if not w.startswith("HOSTNAME=")}  # type: ignore[attr-defined]
    assert own - {"container=conman"} == other - {"container=podman", "TERM=xterm"}


def check_namespaces_and_masks(mine: Spec, theirs: Spec) -> None:
    def kinds(spec: Spec) -> set[str]:
        return {n["type"] for n in part(spec, "linux", "namespaces")}  # type: ignore[attr-defined]
    assert kinds(mine) == kinds(theirs)
    masked, others = (set(part(s, "linux", "maskedPaths") or ()) for s in (mine, theirs))  # type: ignore[call-overload]
    assert masked - {"/sys/devices/virtual/powercap"} == others


def check_devices(mine: Spec, theirs: Spec) -> None:
    """The same nodes, without those that every runtime makes by itself."""
    def nodes(spec: Spec) -> set[tuple[object, ...]]:
        listed: Any = part(spec, "linux", "devices") or []
        return {(d["path"], d["type"], d["major"], d["minor"], d["fileMode"] & 0o7777) for d in listed}
    default = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/console"}
    assert nodes(mine) == {n for n in nodes(theirs) if n[0] not in default}
