"""Sizes as people write them. Apart from the other small languages, since every start of a container needs this one."""

from __future__ import annotations

from ..errors import InvalidInput

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_MAX = (1 << 63) - 1


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
