"""Times and sizes in words, as podman (go-units) says them."""

from __future__ import annotations

import time

_UNITS = ((1, "hours", 48), (24, "days", 24 * 14), (24 * 7, "weeks", 24 * 60), (24 * 30, "months", 24 * 365 * 2))
"""Hours in the unit, its name, and the hours from which the next one is used."""


def duration(seconds: float) -> str:
    """A span of time, roughly: ``Less than a second``, ``34 seconds``, ``About an hour``, ``3 weeks``."""
    whole = max(0, int(seconds))
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    for hours_each, unit, limit in _UNITS:
        if hours < limit:
            return f"{hours // hours_each} {unit}"
    return f"{hours // (24 * 365)} years"


def ago(then: float, now: float | None = None) -> str:
    """How long ago a time (seconds since the epoch) was: ``34 seconds ago``; empty for a time that never was (0)."""
    if then <= 0:
        return ""
    return duration((time.time() if now is None else now) - then) + " ago"


def size(count: int, gap: str = " ", digits: int = 3) -> str:
    """Bytes in powers of 1000 with three significant digits: ``2 MB``, ``1.98 MB``, ``12 B``."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB", "PB"):
        if amount < 1000 - 10.0 ** (3 - digits) / 2 or unit == "PB":
            return f"{amount:.{digits}g}{gap}{unit}"
        amount /= 1000
    raise AssertionError("unreachable")


def binary_size(count: int) -> str:
    """Bytes in powers of 1024 with four significant digits: ``328KiB``, ``100MiB``, ``0B``."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if amount < 1024 or unit == "PiB":
            return f"{amount:.4g}{unit}"
        amount /= 1024
    raise AssertionError("unreachable")


def go_duration(nanoseconds: int) -> str:
    """A span of time as Go prints it: ``0s``, ``40.605146ms``, ``1m2.5s``, ``1h0m0s``."""
    if nanoseconds < 10**9:
        for unit, length in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if nanoseconds >= length:
                return f"{_decimal(nanoseconds, length)}{unit}"
        return "0s"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    text = f"{_decimal(rest, 10**9)}s"
    if minutes:
        hours, minutes = divmod(minutes, 60)
        text = f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"
    return text


def _decimal(amount: int, unit: int) -> str:
    """Exactly, without zeros at the end."""
    whole, rest = divmod(amount, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0").rstrip(".") if rest else str(whole)


def utc(seconds: float) -> str:
    """A time as RFC 3339 in UTC, whole seconds: ``2026-11-23T22:53:08Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def go_time(seconds: float) -> str:
    """A time as Go prints it: ``2026-11-23 22:53:08.5 +0000 UTC``."""
    whole = int(seconds)
    fraction = f"{seconds - whole:.6f}"[1:].rstrip("0").rstrip(".") if seconds > whole else ""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole)) + fraction + " +0000 UTC"
