"""What ``conman doctor`` asks of runc: its version, and whether this host's cgroups are within its reach."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Iterator

from conman_kernel.slots.doctor import CheckRequest, Finding
from conman_kernel.support.oci_features import query
from conman_kernel.support.oci_runtime import find_program

if TYPE_CHECKING:
    from conman_kernel.slots.provider import PluginContext

    from . import Options

_LEAKY = (1, 1, 12)
"""Before it, runc left a descriptor of the host open in the container (CVE-2024-21626)."""
_CGROUP_V2 = (1, 0, 0)


def version(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Old versions, by their own words."""
    program = find_program(context.options.binary)
    if not program:
        return  # the probe tells it
    _, said = query([program, "--version"], request.cancel)
    yield from judge(context.name, said, unified=unified_alone(request.host.read("/proc/self/mountinfo", 8 << 20)))


def judge(name: str, said: str, *, unified: bool) -> Iterator[Finding]:
    """What a version means.

    :param said: what ``runc --version`` prints.
    :param unified: the host has cgroup v2 alone.
    """
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)(\S*)", said)
    if found is None:
        yield Finding("warning", name, f"its version cannot be told from {said.strip()[:80]!r}", "is it runc?")
        return
    number = (int(found[1]), int(found[2]), int(found[3]))
    if unified and number < _CGROUP_V2:
        yield Finding("error", name, f"runc {found[0][8:]} cannot use cgroup v2, which is all that this host has", "install "
                      "runc 1.0 or newer")
    if number < _LEAKY:
        patched = ", unless your distribution mended it" if found[4] else ""
        yield Finding("note", name, f"runc {found[0][8:]}: before 1.1.12 a container could reach the host by a descriptor "
                      f"left open "
                      f"(CVE-2024-21626){patched}", "keep it up to date")


def unified_alone(mountinfo: str) -> bool:
    """True where cgroup v2 is mounted and v1 is not."""
    kinds = {line.rpartition(" - ")[2].split(" ", 1)[0] for line in mountinfo.splitlines()}
    return "cgroup2" in kinds and "cgroup" not in kinds
