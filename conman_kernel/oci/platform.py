"""Platforms: operating system, architecture and variant (OCI image-spec v1.1, ``image-index.md``)."""

from __future__ import annotations

import os

from ..errors import InvalidInput
from ..record import Record

_ARCHITECTURES = {
    "x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armv8l": "arm", "armv7l": "arm", "armv6l": "arm",
    "armv5tel": "arm", "armhf": "arm", "armel": "arm", "i386": "386", "i486": "386", "i586": "386", "i686": "386",
    "mips64el": "mips64le", "loongarch64": "loong64",
}
_IMPLIED_VARIANTS = {"armv8l": "v8", "armv7l": "v7", "armhf": "v7", "armv6l": "v6", "armel": "v6", "armv5tel": "v5"}
_DEFAULT_VARIANTS = {"arm64": "v8", "amd64": "v1", "arm": "v7"}
_OLDER_VARIANTS = {"arm": ("v8", "v7", "v6", "v5"), "arm64": ("v8",), "amd64": ("v4", "v3", "v2", "v1")}
_KNOWN_OS = ("linux", "windows", "darwin", "freebsd")


class Platform(Record):
    """Where an image runs. Names are Go's (``amd64``, ``arm64``)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


def normalise(platform: Platform) -> Platform:
    """Go's names, and a variant only where it says more than the architecture (``arm64/v8`` is ``arm64``)."""
    system, machine, variant = (part.lower() for part in platform)
    if variant.isdecimal():
        variant = "v" + variant
    variant = variant or _IMPLIED_VARIANTS.get(machine, "")
    machine = _ARCHITECTURES.get(machine, machine)
    if machine == "arm" and not variant:
        variant = "v7"
    if machine in ("arm64", "amd64") and variant == _DEFAULT_VARIANTS[machine]:
        variant = ""
    return Platform(system, machine, variant)


def host_platform() -> Platform:
    """The platform of this machine's kernel."""
    uname = os.uname()
    return normalise(Platform(uname.sysname, uname.machine))


def parse_platform(text: str) -> Platform:
    """Read ``os/architecture[/variant]``, or an architecture alone (of this machine's operating system).

    :raises InvalidInput: empty, too many parts, other characters than letters, digits, ``_ . -``.
    """
    parts = text.split("/")
    words = [part.replace("_", "").replace("-", "").replace(".", "") for part in parts]
    if not 1 <= len(parts) <= 3 or not all(word.isalnum() and word.isascii() for word in words):
        raise InvalidInput(f"invalid platform {text[:100]!r}",
                           hint="write os/architecture[/variant], such as linux/arm64")
    if len(parts) == 1:
        host = host_platform()
        alone = parts[0].lower()
        return host._replace(os=alone) if alone in _KNOWN_OS else normalise(Platform(host.os, alone))
    return normalise(Platform(*parts))


def rank(wanted: Platform, offered: Platform) -> int | None:
    """How well an image for ``offered`` serves who wants ``wanted``.

    :returns: 0 for the platform itself, more for each older variant that also runs there, None where it cannot run.
        The order is podman's: another architecture is never offered in place of the wanted one.
    """
    want, offer = normalise(wanted), normalise(offered)
    if want == offer:
        return 0
    if (want.os, want.architecture) != (offer.os, offer.architecture):
        return None
    order = _OLDER_VARIANTS.get(want.architecture, ())
    default = _DEFAULT_VARIANTS.get(want.architecture, "")
    have, need = offer.variant or default, want.variant or default
    if have in order and need in order and order.index(have) >= order.index(need):
        return order.index(have) - order.index(need)
    # A variant that nobody has an order for: the image without any is the best guess after the exact one.
    return 9 if not offer.variant else None


def matches(wanted: Platform, offered: Platform) -> bool:
    """True where an image for ``offered`` runs on ``wanted``."""
    return rank(wanted, offered) is not None
