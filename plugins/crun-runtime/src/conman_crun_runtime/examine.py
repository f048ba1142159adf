"""What ``conman doctor`` asks of crun: what it was built without, on a host that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from conman_kernel.slots.doctor import CheckRequest, Finding
from conman_kernel.support.oci_features import query
from conman_kernel.support.oci_runtime import find_program

if TYPE_CHECKING:
    from conman_kernel.slots.provider import PluginContext

    from . import Options


def build(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Its ``+WORD`` list against how cgroups are mounted and who makes them."""
    program = find_program(context.options.binary)
    if not program:
        return  # the probe tells it
    _, said = query([program, "--version"], request.cancel)
    kinds = {line.rpartition(" - ")[2].split(" ", 1)[0]
             for line in request.host.read("/proc/self/mountinfo", 8 << 20).splitlines()}
    yield from judge(context.name, said, unified="cgroup2" in kinds and "cgroup" not in kinds,
                     systemd=request.host.exists("/run/systemd/system"))


def judge(name: str, said: str, *, unified: bool, systemd: bool) -> Iterator[Finding]:
    """What a build means.

    :param said: what ``crun --version`` prints.
    :param unified: the host has cgroup v2 alone. ``systemd``: systemd runs it.
    """
    if "crun" not in said:
        yield Finding("warning", name, f"its version cannot be told from {said.strip()[:80]!r}", "is it crun?")
        return
    built = {word for line in said.splitlines() for word in line.split() if word.startswith("+")}
    if unified and "+EBPF" not in built:
        yield Finding("error", name, "crun was built without eBPF: on cgroup v2 it cannot keep devices from containers",
                      "install a crun that has it")
    if systemd and "+SYSTEMD" not in built:
        yield Finding("warning", name, "crun was built without systemd, which makes the cgroups of this host",
                      'install a crun that has it, or set cgroup_manager = "cgroupfs"')
