"""Points in time, as documents and people write them."""

from __future__ import annotations

import time

from .errors import InvalidInput


def rfc3339(seconds: float) -> str:
    """UTC with nanoseconds (RFC 3339), from seconds since the epoch; Go's zero time for 0, as podman has it."""
    if not seconds:
        return "0001-01-01T00:00:00Z"
    whole = int(seconds)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{int((seconds - whole) * 1e9):09d}Z"


def nanoseconds(when: float | str, *, ahead: bool = False) -> int:
    """A point in time as nanoseconds since the epoch; the digits of a text that has them are exact.

    :param when: seconds since the epoch, or as :func:`parse_time` takes it. Errors likewise.
    """
    if not isinstance(when, str):
        return int(when * 1e9)
    whole, dot, rest = when.partition(".")
    if not dot or not (whole.isdecimal() or whole[10:11] in ("T", " ")):
        return int(parse_time(when, ahead=ahead) * 1e9)
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return int(parse_time(whole + rest[digits:])) * 10**9 + int(rest[:digits].ljust(9, "0")[:9])


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str, what: str) -> float:
    """A duration as Go writes it: ``1m30s``, ``1.5h``, ``100ms``, ``0``; also with a sign.

    :param what: names it in the error.
    :returns: seconds.
    :raises InvalidInput: it is none.
    """
    import re

    parts = re.findall(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", text) if len(text) < 100 else []
    bare = text[1:] if text[:1] in ("-", "+") else text
    if bare == "0":
        return 0.0
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        raise InvalidInput(f'invalid {what} "{text[:100]}": a duration such as 1m30s, 100ms or 2h')
    seconds = sum(float(number) * _UNITS[unit.replace("μ", "µ")] for number, unit in parts)
    return -seconds if text.startswith("-") else seconds


def parse_time(text: str, now: float | None = None, *, ahead: bool = False) -> float:
    """A point in time as podman takes it.

    :param text: RFC 3339 (also a date alone), seconds since the epoch, or a Go duration before now (``1h30m``).
    :param ahead: a duration counts forward from now (``logs --until``, podman's rule).
    :param now: seconds since the epoch that durations count from; None: the clock's.
    :returns: seconds since the epoch.
    :raises InvalidInput: it is none of these.
    """
    import re

    current = time.time() if now is None else now
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if parts and "".join(number + unit for number, unit in parts) == text.lstrip("-+"):
        duration = sum(float(number) * _UNITS[unit] for number, unit in parts)
        return current + (duration if ahead and not text.startswith("-") else -duration)
    from datetime import datetime

    cut = re.sub(r"(\.\d{6})\d+", r"\1", text.replace("Z", "+00:00").replace("z", "+00:00"))
    try:
        return datetime.fromisoformat(cut).timestamp()
    except ValueError:
        raise InvalidInput(f'"{text}" is no point in time',
                           hint="RFC 3339, seconds since 1970, or a duration such as 1h30m") from None
