"""Limits and device rules of a container (runtime-spec, config-linux.md, "Control groups")."""

from __future__ import annotations

from ...errors import InvalidInput, Unavailable
from .options import UNSET, ContainerOptions
from .request import HostDevice, HostFacts, SpecRequest

DEFAULT_PIDS = 2048
CPU_PERIOD = 100_000
MIN_MEMORY = 512 << 10

RUNTIME_DEVICES = frozenset(("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
                             "/dev/ptmx", "/dev/console"))
"""Nodes that every OCI runtime makes by itself (runtime-spec, "Default Devices")."""


def _memory(options: ContainerOptions, facts: HostFacts) -> dict[str, int]:
    memory: dict[str, int] = {}
    if options.memory:
        memory["limit"] = options.memory
    if options.memory_reservation:
        memory["reservation"] = options.memory_reservation
    if options.memory_swap:
        memory["swap"] = options.memory_swap
    elif options.memory > 0 and facts.swap_limit:
        memory["swap"] = options.memory * 2
    return memory


def _cpu(options: ContainerOptions) -> dict[str, object]:
    cpu: dict[str, object] = {}
    if options.cpu_shares:
        cpu["shares"] = options.cpu_shares
    if options.cpus:
        cpu["quota"] = round(options.cpus * CPU_PERIOD)
        cpu["period"] = CPU_PERIOD
    if options.cpuset_cpus:
        cpu["cpus"] = options.cpuset_cpus
    if options.cpuset_mems:
        cpu["mems"] = options.cpuset_mems
    return cpu


def _pids(options: ContainerOptions, facts: HostFacts) -> int:
    """The limit to set; 0 for none. -1 and 0 ask for none; UNSET takes the default where the host can."""
    if options.pids_limit == UNSET:
        return DEFAULT_PIDS if "pids" in facts.controllers() else 0
    return max(0, options.pids_limit)


def device_rules(devices: tuple[HostDevice, ...], *, privileged: bool) -> list[dict[str, object]]:
    """The device cgroup's rules: everything where privileged, else nothing but what was asked for (a runtime adds its
    default devices by itself)."""
    if privileged:
        return [{"allow": True, "access": "rwm"}]
    return [{"allow": False, "access": "rwm"},
            *({"allow": True, "type": d.type, "major": d.major, "minor": d.minor, "access": d.access} for d in devices)]


def build_resources(request: SpecRequest) -> dict[str, object]:
    """``linux.resources``. Sizes in bytes, swap counts memory and swap together (-1: unlimited)."""
    options, facts = request.options, request.facts
    doc: dict[str, object] = {"devices": device_rules(request.devices, privileged=options.privileged)}
    memory, cpu, pids = _memory(options, facts), _cpu(options), _pids(options, facts)
    if memory:
        doc["memory"] = memory
    if cpu:
        doc["cpu"] = cpu
    if pids:
        doc["pids"] = {"limit": pids}
    return doc


def limits_in_force(options: ContainerOptions, facts: HostFacts, *, all_cpus: str = "",
                    all_mems: str = "") -> dict[str, object]:
    """``linux.resources`` for a container that runs: every limit that can be changed then, those that are not set included, so
    that what was set before goes. Devices are left alone.

    :param all_cpus: what a container without a ``cpuset_cpus`` may use; empty: it is not said. ``all_mems`` likewise.
    """
    have, v2 = facts.controllers(), facts.cgroup_mode == "v2"
    doc: dict[str, object] = {}
    if "memory" in have:
        memory = {"limit": options.memory if options.memory > 0 else -1}
        if options.memory_reservation > 0 or not v2:  # -1 would protect all that it uses, on v2
            memory["reservation"] = options.memory_reservation or -1
        if facts.swap_limit:
            memory["swap"] = options.memory_swap or (options.memory * 2 if options.memory > 0 else -1)
        doc["memory"] = memory
    cpu: dict[str, object] = {}
    if "cpu" in have:
        cpu = {"quota": round(options.cpus * CPU_PERIOD) if options.cpus else -1, "period": CPU_PERIOD}
        if options.cpu_shares or not v2:  # no number of shares is v2's own weight
            cpu["shares"] = options.cpu_shares or 1024
    if "cpuset" in have:
        cpu |= {key: value for key, value in (("cpus", options.cpuset_cpus or all_cpus),
                                              ("mems", options.cpuset_mems or all_mems)) if value}
    if cpu:
        doc["cpu"] = cpu
    if "pids" in have:
        doc["pids"] = {"limit": _pids(options, facts) or -1}
    return doc


def build_devices(devices: tuple[HostDevice, ...]) -> list[dict[str, object]]:
    """``linux.devices``: the nodes to make, without those that every runtime makes by itself."""
    return [{"path": d.path, "type": d.type, "major": d.major, "minor": d.minor, "fileMode": d.mode,
             "uid": d.uid, "gid": d.gid}
            for d in devices if d.path not in RUNTIME_DEVICES]


def check_resources(options: ContainerOptions, facts: HostFacts) -> None:
    """Can this host give these limits?

    :raises InvalidInput: limits that contradict each other.
    :raises Unavailable: a limit whose cgroup controller this host (or the cgroup we are in) lacks.
    """
    if 0 < options.memory < MIN_MEMORY:
        raise InvalidInput(f"the memory limit of {options.memory} bytes is below the least that starts a process",
                           hint=f"give at least {MIN_MEMORY >> 10}k")
    if options.memory_swap > 0 and not options.memory:
        raise InvalidInput("a memory+swap limit needs a memory limit, too", hint="give --memory")
    if 0 < options.memory_swap < options.memory:
        raise InvalidInput("the memory+swap limit counts both together, so it cannot be below the memory limit")
    if options.memory and options.memory_reservation > options.memory > 0:
        raise InvalidInput("the memory reservation cannot be above the memory limit")
    if options.memory_swap and not facts.swap_limit:
        raise Unavailable("this kernel does not account swap by cgroup", hint="leave the memory+swap limit out")
    have = facts.controllers()
    for controller, value, what in (
            ("memory", options.memory or options.memory_reservation, "memory limit"),
            ("cpu", options.cpus, "cpu limit"), ("cpu", options.cpu_shares, "cpu weight"),
            ("cpuset", options.cpuset_cpus or options.cpuset_mems, "cpuset"),
            ("pids", max(0, options.pids_limit), "pids limit")):
        if value and controller not in have:
            raise Unavailable(f"cannot set a {what}: this host has no usable cgroup controller {controller!r}",
                              hint="conman info shows the controllers of this host")
