"""Is crun there, and would it start anything on this host? Runs nothing."""

from __future__ import annotations

from conman_kernel.slots.provider import Unavailable
from conman_kernel.support.oci_runtime import missing


def probe(binary: str) -> Unavailable | None:
    """None where crun can work; looks for the program and at how cgroups are mounted."""
    absent = missing(binary, "crun")
    if absent is not None:
        return absent
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        controllers = hybrid_controllers(file.read())
    if controllers:
        return Unavailable("crun refuses this host's hybrid cgroups: beside the v1 hierarchies the unified one at "
                           f"/sys/fs/cgroup/unified has controllers of its own ({controllers})",
                           "use runc-runtime, or boot the host with cgroup v2 alone")
    return None


def hybrid_controllers(mountinfo: str, root: str = "/") -> str:
    """The controllers of a unified hierarchy mounted beside v1 ones at /sys/fs/cgroup/unified; empty where there is
    none.

    crun takes such a host for systemd's "hybrid" mode and starts nothing in it while the unified hierarchy has
    controllers of its own. The words of its own check, made here without running it.
    """
    if not any(" /sys/fs/cgroup/unified " in line and " - cgroup2 " in line for line in mountinfo.splitlines()):
        return ""
    try:
        with open(root.rstrip("/") + "/sys/fs/cgroup/unified/cgroup.controllers", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""
