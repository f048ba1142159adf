"""What ``conman doctor`` asks of this driver beside its probe: options and kernels that make layers less safe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

from conman_kernel.slots.doctor import CheckRequest, Finding

if TYPE_CHECKING:
    from conman_kernel.slots.provider import PluginContext

    from . import Options

_TRIED = ("ext4", "xfs", "btrfs", "tmpfs")


def layers(context: PluginContext[Options], request: CheckRequest) -> Iterator[Finding]:
    """Which file system holds them, and what a power cut would do to them."""
    host = request.host
    kind = host.file_system(context.state_dir)
    if kind and kind not in _TRIED:
        yield Finding("warning", context.state_dir, f"layers lie on {kind}, on which overlayfs is seldom tried",
                      "put --root on ext4, xfs or btrfs")
    if not context.options.sync and kind != "tmpfs":
        yield Finding("warning", context.name, "sync = false: a power cut may leave layers that count as whole and are not",
                      "take sync out of its table, or run conman system check --verify-layers after a power cut")
    if "volatile" in context.options.mount_options:
        yield Finding("warning", context.name, "mount_options has volatile: after a crash of the host containers' own files "
                      "are lost, "
                      "and their mounts refused", "take volatile out of mount_options")
