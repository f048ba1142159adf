"""Namespaces, sysctls, masked paths: the rest of ``linux`` (runtime-spec, config-linux.md)."""

from __future__ import annotations

from ...errors import InvalidInput
from .options import ContainerOptions
from .request import HostFacts, SpecRequest

MASKED_PATHS = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
                "/proc/timer_list", "/proc/timer_stats", "/sys/dev/block", "/sys/devices/virtual/powercap",
                "/sys/firmware", "/sys/fs/selinux")
"""Shown empty: they tell or do too much about the host. podman's, and the power counters (CVE-2020-8694)."""

READONLY_PATHS = ("/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

DEFAULT_SYSCTLS = {"net.ipv4.ping_group_range": "0 0"}
"""Set in a network namespace of the container's own: root in it may ping without CAP_NET_RAW, as with podman."""

_IPC_SYSCTLS = frozenset(("kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
                          "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced"))

_KINDS = (("pid", "pid"), ("network", "network"), ("ipc", "ipc"), ("uts", "uts"), ("cgroup", "cgroupns"))


def mode_of(kind: str, options: ContainerOptions, facts: HostFacts) -> str:
    """A namespace's mode with the default filled in: ``own``, except cgroup on a v1 host, where podman shares it.

    :param kind: ``pid network ipc uts cgroup``, the runtime-spec's names.
    """
    field = {"pid": options.pid, "network": options.network, "ipc": options.ipc, "uts": options.uts,
             "cgroup": options.cgroupns}[kind]
    if field:
        return "own" if field in ("none", "private", "shareable", "bridge") else field
    return "host" if kind == "cgroup" and facts.cgroup_mode != "v2" else "own"


def build_namespaces(request: SpecRequest) -> list[dict[str, str]]:
    """``linux.namespaces``: new ones without a path, joined ones with; a shared one is not listed.

    :raises InvalidInput: ``container:ID`` without a path resolved for it.
    """
    result: list[dict[str, str]] = []
    for kind, field in _KINDS:
        mode = mode_of(kind, request.options, request.facts)
        path = request.namespaces.get(kind, "") or (mode[5:] if mode.startswith("path:") else "")
        if path:
            result.append({"type": kind, "path": path})
        elif mode == "own":
            result.append({"type": kind})
        elif mode != "host":
            raise InvalidInput(f"the {field} namespace {mode!r} cannot be joined: nothing was found to join")
    return [*result, {"type": "mount"}]


def _is_new(kind: str, request: SpecRequest) -> bool:
    return mode_of(kind, request.options, request.facts) == "own"


def check_sysctl(name: str, options: ContainerOptions, facts: HostFacts) -> None:
    """Only what belongs to a namespace that the container does not share with the host may be set.

    :raises InvalidInput: it would change the host, or is not namespaced at all.
    """
    if name in _IPC_SYSCTLS or name.startswith("fs.mqueue."):
        kind, what = "ipc", "IPC"
    elif name.startswith("net."):
        kind, what = "network", "network"
    elif name in ("kernel.hostname", "kernel.domainname"):
        kind, what = "uts", "UTS"
    else:
        raise InvalidInput(f"sysctl {name!r} cannot be set for a container: it belongs to no namespace",
                           hint="set it on the host with sysctl(8)")
    if mode_of(kind, options, facts) == "host":
        raise InvalidInput(f"sysctl {name!r} is not allowed with the host's {what} namespace")


def build_sysctls(request: SpecRequest) -> dict[str, str]:
    """``linux.sysctl``. Errors as in :func:`check_sysctl`."""
    # A pinned namespace is the container's own, too.
    values = dict(DEFAULT_SYSCTLS) if _is_new("network", request) else {}
    for name, value in request.options.sysctls:
        check_sysctl(name, request.options, request.facts)
        values[name] = value
    return values


def build_paths(options: ContainerOptions) -> dict[str, list[str]]:
    """``maskedPaths`` and ``readonlyPaths``; neither where privileged."""
    if options.privileged:
        return {}
    masked = MASKED_PATHS if options.masked_paths is None else options.masked_paths
    readonly = READONLY_PATHS if options.readonly_paths is None else options.readonly_paths
    return {"maskedPaths": list(masked), "readonlyPaths": list(readonly)}
