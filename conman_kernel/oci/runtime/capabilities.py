"""Which capabilities a container's process gets (capabilities(7); OCI runtime-spec ``process.capabilities``)."""

from __future__ import annotations

from typing import Iterable

from ...errors import InvalidInput

_LINUX = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE")

NAMES: tuple[str, ...] = tuple("CAP_" + name for name in _LINUX.split())
"""Every capability in the order of its number (include/uapi/linux/capability.h)."""

SYS_RESOURCE = 1 << NAMES.index("CAP_SYS_RESOURCE")

DEFAULT = ("CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE",
           "CAP_SETFCAP", "CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT")
"""What a container has when nobody says otherwise: podman's default."""


def normalize(name: str) -> str:
    """``net_raw``, ``NET_RAW``, ``CAP_NET_RAW`` -> ``CAP_NET_RAW``; ``all`` -> ``ALL``.

    :raises InvalidInput: no such capability.
    """
    upper = name.strip().upper()
    if upper in ("ALL", "CAP_ALL"):
        return "ALL"
    full = upper if upper.startswith("CAP_") else "CAP_" + upper
    if full not in NAMES:
        raise InvalidInput(f"unknown capability {name!r}", hint="see capabilities(7) for the names, or use ALL")
    return full


def names_of(mask: int) -> tuple[str, ...]:
    """The names of the bits that are set, sorted."""
    return tuple(sorted(name for bit, name in enumerate(NAMES) if mask >> bit & 1))


def _merge(base: Iterable[str], add: set[str], drop: set[str], everything: frozenset[str]) -> set[str]:
    if "ALL" in add and "ALL" in drop:
        raise InvalidInput("capability ALL cannot be added and dropped at once")
    both = sorted((add & drop) - {"ALL"})
    if both:
        raise InvalidInput(f"capability {both[0]} cannot be added and dropped at once")
    if "ALL" in add:
        return set(everything) - drop
    if "ALL" in drop:
        return add
    return (set(base) - drop) | add


def capability_sets(*, uid: int, add: Iterable[str], drop: Iterable[str], privileged: bool,
                    host_bounding: int) -> dict[str, list[str]]:
    """The five sets, as podman makes them.

    Root has all of its bounding set. Another user has only what was asked for by name, as ambient capabilities, so
    that they survive its execve(2); none where nothing was. What the caller itself lacks is left out.

    :param host_bounding: the caller's bounding set as a mask.
    :returns: OCI ``capabilities``; empty sets are left out.
    :raises InvalidInput: an unknown name, or one both added and dropped.
    """
    everything = frozenset(names_of(host_bounding))
    added = {normalize(n) for n in add}
    dropped = {normalize(n) for n in drop}
    bounding = set(everything) if privileged else _merge(DEFAULT, added, dropped, everything) & everything
    sets: dict[str, list[str]] = {"bounding": sorted(bounding)}
    kinds: tuple[str, ...] = ("effective", "permitted")
    own = bounding
    if uid != 0:
        own = (set(everything) if "ALL" in added else added) & bounding
        kinds = ("effective", "inheritable", "permitted", "ambient")
    if own:
        sets.update((kind, sorted(own)) for kind in kinds)
    return sets
