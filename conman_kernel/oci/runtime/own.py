"""What a start puts into every root file system by itself: no difference of a container's from its image. Pure."""

from __future__ import annotations

from typing import Iterable, Protocol, TypeVar

OWN = frozenset((
    "/dev", "/etc/hostname", "/etc/hosts", "/etc/mtab", "/etc/resolv.conf", "/proc", "/run", "/run/.containerenv",
    "/run/conman-init", "/run/notify", "/run/secrets", "/sys"))
"""Mount points and files that a comparison does not tell; podman's list. What lies beneath them is told."""


class _Told(Protocol):
    @property
    def path(self) -> str: ...


T = TypeVar("T", bound=_Told)


def without_own(changes: Iterable[T]) -> tuple[T, ...]:
    """Differences, without those that every start makes."""
    return tuple(change for change in changes if change.path not in OWN)
