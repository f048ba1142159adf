"""Sizes as people write them. Apart from the other small languages, since every start of a container needs this one."""

from __future__ import annotations

from ..errors import InvalidInput

LOG_FILES = 500
"""The most files of one log: who reads it holds all of them open."""

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_MAX = (1 << 63) - 1
_THOUSANDS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}


def decimal(text: str) -> float | None:
    """A plain decimal such as ``1``, ``0.5``, ``.5``; None for anything else (signs, exponents, ``nan``, spaces)."""
    whole, dot, part = text.partition(".")
    if not (whole + part).isascii() or not (whole + part).isdigit() or (dot and not part) or len(text) > 32:
        return None
    return float(text)


def size(text: str) -> int:
    """``64m``, ``1g``, ``1.5GiB``, ``512`` -> bytes (units of 1024); ``-1`` -> -1, where it means unlimited."""
    lowered = text.strip().lower()
    if lowered == "-1":
        return -1
    number = lowered.rstrip("bigkmtp")
    unit = lowered[len(number):]
    for tail in ("ib", "b"):
        if len(unit) > len(tail) and unit.endswith(tail):
            unit = unit[:-len(tail)]
            break
    value = decimal(number)
    if value is None or unit not in _UNITS or value * _UNITS[unit] > _MAX:
        raise InvalidInput(f"invalid size {text!r}: a number with b, k, m, g or t, such as 64m")
    # Whole numbers stay exact above 2**53.
    return int(number) * _UNITS[unit] if "." not in number else int(value * _UNITS[unit])


def log_size(text: str) -> int:
    """The size of a log file: ``10m``, ``1.5GB`` in units of 1000, as docker and podman have it here alone; ``10MiB`` in units of
    1024. 0 and -1 are 0: it never rotates."""
    lowered = text.strip().lower()
    if lowered.endswith("ib"):
        return size(text)
    number = lowered.rstrip("bkmgtp")
    unit = lowered[len(number):]
    value = decimal(number)
    factor = _THOUSANDS.get(unit[:-1] if len(unit) == 2 and unit[1] == "b" else unit)
    if lowered in ("0", "-1"):
        return 0
    if value is None or factor is None or value * factor > _MAX:
        raise InvalidInput(f"invalid log size {text!r}: a number with k, m or g, such as 10m; 0 for no rotation")
    return int(number) * factor if "." not in number else int(value * factor)
