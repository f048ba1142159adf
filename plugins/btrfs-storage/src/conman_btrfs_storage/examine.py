"""What ``conman doctor`` asks of this driver: how the btrfs that holds the store is mounted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from conman_kernel.slots.doctor import CheckRequest, Finding

if TYPE_CHECKING:
    from conman_kernel.slots.provider import PluginContext

    from . import Options


def mounted(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Options of the mount that make it less safe, and quotas, which make removing slow."""
    place = request.host.nearest(context.state_dir)
    options: list[str] = []
    best = ""
    for line in request.host.read("/proc/self/mountinfo", 8 << 20).splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        point = fields[4] if len(fields) > 4 else ""
        if point and len(point) >= len(best) and (place == point or place.startswith(point.rstrip("/") + "/")):
            best, options = point, tail[2].split(",") if tail[0] == "btrfs" and len(tail) > 2 else []
    if "degraded" in options:
        yield Finding("warning", best, "this btrfs is mounted degraded: a device of it is missing", "btrfs filesystem show, "
                      "then btrfs replace")
    if "nodatacow" in options or "nodatasum" in options:
        yield Finding("note", best, "this btrfs keeps no checksums of data: damage to layers is not noticed")
    if not context.options.sync:
        yield Finding("warning", context.name, "sync = false: a power cut may leave layers that count as whole and are not",
                      "take sync out of its table, or run conman system check --verify-layers after a power cut")
    for name in request.host.names("/sys/fs/btrfs"):
        if request.host.exists(f"/sys/fs/btrfs/{name}/qgroups") and best:
            yield Finding("note", f"btrfs {name}", "it counts quotas (qgroups): removing many subvolumes is slow",
                          "btrfs quota disable, where nothing else needs them")
