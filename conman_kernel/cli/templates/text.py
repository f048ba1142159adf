"""Values as Go's package fmt prints them with ``%v``."""

from __future__ import annotations

from typing import Mapping, Sequence

from .values import Method, Missing, as_bytes


def text(value: object) -> str:
    """One value: ``map[a:1 b:2]`` with sorted keys, ``[x y]``, ``<nil>``."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<nil>"
    if isinstance(value, Missing):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return float_text(value, "g", -1)
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{text(value[key])}" for key in ordered(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(text, value)) + "]"
    return str(value)


def ordered(value: Mapping[str, object]) -> list[str]:
    """A map's keys in Go's order, which is that of their bytes; methods are no keys."""
    return sorted((key for key, item in value.items() if not isinstance(item, Method)), key=as_bytes)


def printed(values: Sequence[object]) -> str:
    """As ``fmt.Sprint``: a space between two of which neither is a string."""
    found: list[str] = []
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            found.append(" ")
        found.append(text(value))
    return "".join(found)


def float_text(value: float, form: str, digits: int) -> str:
    """A float as Go's strconv writes it.

    :param form: ``e``, ``f`` or ``g`` (upper case for the exponent's letter, too).
    :param digits: after the point (of ``g``: in all); -1 for as many as tell it from every other.
    """
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    lower = form.lower()
    if lower == "g":
        shown = _general(value, digits)
    elif digits >= 0:
        shown = f"{value:.{digits}{lower}}"
    elif lower == "e":
        shown = _exponent(value)
    else:
        from decimal import Decimal

        shown = f"{Decimal(repr(value)):f}"
        shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return shown.upper() if form.isupper() else shown


def _exponent(value: float) -> str:
    """The shortest text with an exponent."""
    for digits in range(17):
        shown = f"{value:.{digits}e}"
        if float(shown) == value:
            return shown
    return f"{value:.17e}"


def _general(value: float, digits: int) -> str:
    """Go's ``%g``: with an exponent below -4 and from 6 on, or from the precision on where there is one."""
    shown = _exponent(value) if digits < 0 else f"{value:.{max(digits, 1) - 1}e}"
    mantissa, _, exponent = shown.partition("e")
    power = int(exponent)
    if digits >= 0 and "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    limit = 6 if digits < 0 else max(digits, 1)
    if power < -4 or power >= limit:
        return f"{mantissa}e{exponent}"
    after = max(len(mantissa.lstrip("-").replace(".", "")) - 1 - power, 0)
    return f"{value:.{after}f}"
